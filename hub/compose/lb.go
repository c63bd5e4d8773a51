package compose

import (
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Extensions of Compose that are Muster's.
const (
	keyLB       = "x-lb"
	keyProbe    = "x-probe"
	keyRollout  = "x-rollout"
	keyVersions = "x-versions"
)

// places are where each of them belongs.
var places = map[string]string{
	keyLB: "a service", keyProbe: "a service", keyVersions: "a service", keyReschedule: "a service", keyRollout: "a service's deploy",
}

// lb is one entry of x-lb.
type lb struct {
	path           string
	listen, target int
	protocol       string // empty: not stated
	check          *fleet.Check
	drain          fleet.Duration
	balancers      []string
	asked          asked
}

// parseLB reads x-lb: one mapping, or a list of them.
func parseLB(p *problems, path string, value any) []lb {
	if value == nil {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		entry, ok := parseEntry(p, path, value)
		if !ok {
			return nil
		}
		return []lb{entry}
	}
	if len(list) > maxRoutes {
		p.invalid(path, "%d entries; the limit is %d", len(list), maxRoutes)
		return nil
	}
	var out []lb
	for i, item := range list {
		if entry, ok := parseEntry(p, index(path, i), item); ok {
			out = append(out, entry)
		}
	}
	return out
}

func parseEntry(p *problems, path string, value any) (lb, bool) {
	f, ok := newFields(p, path, value)
	if !ok {
		return lb{}, false
	}
	entry := lb{
		path:      path,
		listen:    f.port("listen"),
		target:    f.port("target"),
		protocol:  f.text("protocol"),
		drain:     parseDrain(f),
		balancers: parseBalancers(f),
		asked:     parseAsked(f),
	}
	switch entry.protocol {
	case "", fleet.ProtocolHTTP, fleet.ProtocolGRPC, fleet.ProtocolTCP:
	default:
		p.invalid(f.at("protocol"), "%q is not supported", entry.protocol).WithHint("use http, grpc or tcp")
		entry.protocol = ""
	}
	if check, ok := f.get("check"); ok {
		entry.check = parseCheck(p, f.at("check"), check)
	}
	f.done()
	return entry, true
}

// parseDrain takes 0s for the shortest time there is. That comes to the same:
// a balancer keeps what leaves for longer than that in any case.
func parseDrain(f *fields) fleet.Duration {
	d, stated := f.wait("drain")
	if stated && d == 0 {
		return fleet.Duration(time.Millisecond)
	}
	return d
}

func parseCheck(p *problems, path string, value any) *fleet.Check {
	f, ok := newFields(p, path, value)
	if !ok {
		return nil
	}
	check := &fleet.Check{
		Type:     f.text("type"),
		Path:     f.urlPath("path"),
		Interval: f.duration("interval"),
		Timeout:  f.duration("timeout"),
		Rise:     f.number("rise", maxTries),
		Fall:     f.number("fall", maxTries),
	}
	switch check.Type {
	case "":
		check.Type = fleet.ProbeTCP
		if check.Path != "" {
			check.Type = fleet.ProbeHTTP
		}
	case fleet.ProbeHTTP:
		if check.Path == "" {
			check.Path = "/"
		}
	case fleet.ProbeTCP:
		if check.Path != "" {
			p.invalid(f.at("path"), "has no meaning for a check of type tcp").WithHint("use type: http")
		}
	default:
		p.invalid(f.at("type"), "%q is not supported", check.Type).WithHint("use http or tcp")
	}
	f.done()
	return check
}

func parseBalancers(f *fields) []string {
	value, ok := f.get("balancers")
	if !ok {
		return nil
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		f.p.invalid(f.at("balancers"), "must be a list of balancers").WithHint("write it like [haproxy] or [web1/haproxy]; leave it out for all")
		return nil
	}
	var out []string
	for i, item := range list {
		name, _ := item.(string)
		host, balancer, qualified := strings.Cut(name, "/")
		if !qualified {
			balancer = host
		}
		if fleet.ValidateHost(host) != nil || fleet.ValidateHost(balancer) != nil {
			f.p.invalid(index(f.at("balancers"), i), "%v is not a balancer", item).WithHint("write it like haproxy or web1/haproxy")
			continue
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
