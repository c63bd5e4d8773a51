package export

import (
	"maps"
	"slices"
	"strconv"

	"github.com/musterhq/muster/shared/fleet"
)

// Labels of a target. Prometheus drops them once relabeling is over, so that each job
// keeps what it wants.
const (
	labelProject  = "__meta_muster_project"
	labelService  = "__meta_muster_service"
	labelInstance = "__meta_muster_instance"
	labelVersion  = "__meta_muster_version"
	labelHost     = "__meta_muster_host"
	labelPort     = "__meta_muster_port"     // the container's
	labelProtocol = "__meta_muster_protocol" // on the balancers; empty: it isn't offered there
	labelState    = "__meta_muster_state"
)

// target is one group of Prometheus' HTTP service discovery.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// prometheus lists every port of every instance that has been ready: also of those that
// get no traffic, whose numbers are of interest no less. It is the whole list each time,
// and empty rather than missing.
func prometheus(services []fleet.ExportView) []target {
	out := []target{}
	for _, service := range services {
		for _, e := range service.Endpoints {
			if e.State == fleet.EndpointPreparing {
				continue
			}
			for _, port := range slices.Sorted(maps.Keys(e.Ports)) {
				if address := served(e, port); address != "" {
					out = append(out, target{[]string{address}, labels(service, e, port)})
				}
			}
		}
	}
	return out
}

func labels(service fleet.ExportView, e fleet.EndpointView, port int) map[string]string {
	protocol := ""
	for _, route := range service.Routes {
		if service.Offered && route.Target == port {
			protocol = route.Protocol
		}
	}
	return map[string]string{
		labelProject: service.Service.Project, labelService: service.Service.Name, labelInstance: e.Instance,
		labelVersion: strconv.Itoa(e.Version), labelHost: e.Host, labelPort: strconv.Itoa(port),
		labelProtocol: protocol, labelState: e.State,
	}
}
