package simtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/turn"
)

// portRest is how long a released port is given to nobody, whatever the brains
// are told.
const portRest = 10 * time.Minute

// rest is that of a released port. The hub and its host's agent keep it each by
// what they remember.
type rest struct {
	memory
	port  int
	since time.Time
}

func (r *rest) due(now time.Time) bool { return now.Sub(r.since) < portRest && !r.lost() }

// created looks at the ports of a new container.
func (k *checker) created(h *host, c *container) {
	if told := k.told[c.instance]; told != nil && !maps.Equal(told, c.ports) {
		k.sim.violate("%s has the ports %v, though others know it by %v", c.instance, c.ports, told)
	}
	for _, port := range c.ports {
		if isFixed(c, port) {
			continue
		}
		address := fmt.Sprintf("%s:%d", h.address, port)
		if r := k.released[address]; r != nil && r.due(k.sim.now) && !k.had(c.instance, address) {
			k.sim.violate("%s gets port %s, which was released %s ago", c.instance, address, k.sim.now.Sub(r.since))
		}
		for _, s := range k.servers() {
			if strings.HasSuffix(s.address, "@"+address) && s.Instance != c.instance && !k.excused[s.Instance][s.worker.haproxy.host.id] {
				k.sim.violate("%s gets port %s while the balancer on %s has it for %s", c.instance, address, s.worker.haproxy.host.id, s.Instance)
			}
		}
	}
}

func isFixed(c *container, port int) bool {
	for _, p := range c.spec.Publish {
		if p.HostPort == port {
			return true
		}
	}
	return false
}

// had says whether the instance itself released the port: it may have it back.
func (k *checker) had(instance, address string) bool {
	in := k.instances[instance]
	for _, port := range in.Ports {
		if fmt.Sprintf("%s:%d", in.Address, port) == address {
			return true
		}
	}
	return false
}

// restsRewound finds the released ports that the hub's store knows nothing of:
// neither that they are held, nor an instance of which it may yet hear that it
// is gone.
func (k *checker) restsRewound() {
	has := map[string][]int{}
	for id, h := range k.hosts {
		has[id] = slices.Collect(maps.Keys(h.Held))
	}
	for key, value := range k.sim.hub.store.rows["instances"] {
		if in := read[turn.Instance](k, turn.Row{Table: "instances", Key: key, Value: value}); in != nil {
			has[in.Host] = slices.AppendSeq(has[in.Host], maps.Values(in.Ports))
		}
	}
	for _, r := range k.released {
		r.lostByHub = !slices.Contains(has[r.host], r.port)
	}
}
