package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
)

// listeners returns the ports that a service listens on by its document.
func listeners(s *fleet.Service) []int {
	if s.Balancing == nil {
		return nil
	}
	var ports []int
	for _, r := range s.Balancing.Routes {
		ports = append(ports, r.Listen...)
	}
	return ports
}

// refuseListeners refuses two services on one listener, and listeners on
// ports that something else has on a balancer's host.
func (t *tx) refuseListeners(c fleet.Command) error {
	owner := map[int]fleet.ServiceKey{}
	applied := map[fleet.ServiceKey]bool{}
	for i := range c.Services {
		applied[c.Services[i].Key] = true
	}
	offered := map[int]bool{}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		s := t.services.get(key)
		for _, port := range append(listeners(&s.Asked), s.NamePorts...) {
			offered[port] = true
		}
		if applied[key] || c.Prune && key.Project == c.Project {
			continue
		}
		for _, port := range listeners(&s.Asked) {
			owner[port] = key
		}
	}
	for i := range c.Services {
		s := &c.Services[i]
		for _, port := range listeners(s) {
			path := "services." + s.Key.Name + ".x-lb"
			if other, taken := owner[port]; taken && other != s.Key {
				return fleet.Conflict(path, "port %d on the balancers belongs to %s", port, other).WithHint("choose another listen port")
			}
			owner[port] = s.Key
			if host, by := t.foreignListener(s, port, offered[port]); host != "" {
				return fleet.Conflict(path, "port %d on %s, which has a balancer, is used by %s", port, host, by).
					WithHint("choose another listen port, or select balancers with x-lb.balancers")
			}
		}
	}
	return nil
}

// foreignListener finds a balancer's host on which the port is taken. A port
// that is offered already is the balancer's own.
func (t *tx) foreignListener(s *fleet.Service, port int, offered bool) (host, by string) {
	for _, key := range t.balancers.keys(fleet.BalancerKey.Less) {
		if t.balancers.get(key).Forgotten != "" || !balance.Selected(s.Balancing, key) {
			continue
		}
		for _, in := range t.residents(key.Host) {
			if fixedPort(t.versionOf(in), port) {
				return key.Host, in.Service.String()
			}
		}
		if l := t.live.get(key.Host); !offered && l != nil && l.Actual != nil && containsInt(l.Actual.Foreign.Ports, port) {
			return key.Host, "another process"
		}
	}
	return "", ""
}

func fixedPort(v *fleet.Version, port int) bool {
	return v != nil && slices.Contains(v.Spec.FixedPorts(), fleet.TCP(port))
}

func containsInt(list []int, n int) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// claimTable says who has a listening port, by document or by name.
type claimTable struct {
	t     *tx
	owner map[int]fleet.ServiceKey
}

// claims begins with every listener that documents state: those go first.
func (t *tx) claims(c fleet.Command) *claimTable {
	table := &claimTable{t: t, owner: map[int]fleet.ServiceKey{}}
	applied := map[fleet.ServiceKey]bool{}
	for i := range c.Services {
		applied[c.Services[i].Key] = true
		for _, port := range listeners(&c.Services[i]) {
			table.owner[port] = c.Services[i].Key
		}
	}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if applied[key] {
			continue
		}
		s := t.services.get(key)
		for _, port := range append(listeners(&s.Asked), s.NamePorts...) {
			if _, taken := table.owner[port]; !taken {
				table.owner[port] = key
			}
		}
	}
	return table
}

// names returns the container ports on which the balancers listen besides, so
// that "name:port" means the same as on one machine. A port that another
// service has stays its.
func (c *claimTable) names(s *fleet.Service) (ports []int, warnings []string) {
	if s.Balancing == nil {
		return nil, nil
	}
	for _, r := range s.Balancing.Routes {
		if containsInt(r.Listen, r.Target) {
			continue
		}
		if other, taken := c.owner[r.Target]; taken && other != s.Key {
			warnings = append(warnings, fmt.Sprintf("%s:%d is not reachable by name: port %d on the balancers belongs to %s; use %s",
				s.Key.Name, r.Target, r.Target, other, alternatives(s.Key.Name, r.Listen)))
			continue
		}
		if host, by := c.t.foreignListener(s, r.Target, c.offered(s.Key, r.Target)); host != "" {
			warnings = append(warnings, fmt.Sprintf("%s:%d is not reachable by name: port %d on %s is used by %s; use %s",
				s.Key.Name, r.Target, r.Target, host, by, alternatives(s.Key.Name, r.Listen)))
			continue
		}
		c.owner[r.Target] = s.Key
		ports = append(ports, r.Target)
	}
	return ports, warnings
}

func (c *claimTable) offered(key fleet.ServiceKey, port int) bool {
	s := c.t.services.get(key)
	return s != nil && (containsInt(s.NamePorts, port) || containsInt(listeners(&s.Asked), port))
}

func alternatives(name string, listen []int) string {
	var out []string
	for _, port := range listen {
		out = append(out, fmt.Sprintf("%s:%d", name, port))
	}
	return strings.Join(out, " or ")
}
