package turn

import (
	"sort"

	"github.com/musterhq/muster/shared/fleet"
)

// named is a balanced service that containers of its project reach by name, at
// the balancers that stand for it.
type named struct {
	name      string
	addresses []string            // sorted
	own       map[string][]string // those of a balancer's host: its own first
}

// names are the balanced services of the projects, with the addresses of the
// balancers that stand for them: the host's own balancer first.
func (t *tx) names(host string, projects map[string]bool) map[string]map[string][]string {
	out := map[string]map[string][]string{}
	for project := range projects {
		for _, n := range t.named(project) {
			if out[project] == nil {
				out[project] = map[string][]string{}
			}
			out[project][n.name] = n.addresses
			if own := n.own[host]; own != nil {
				out[project][n.name] = own
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// named works out a project's names. They are the same for all hosts: at the end
// of the turn, when nothing changes them any more, once.
func (t *tx) named(project string) []named {
	if known, ok := t.namesOf[project]; ok {
		return known
	}
	var out []named
	t.services.each(func(key fleet.ServiceKey, s *Service) {
		if key.Project != project || s.Asked.Balancing == nil || s.Removing {
			return
		}
		if n := t.nameOf(s); len(n.addresses) > 0 {
			out = append(out, n)
		}
	})
	if t.namesOf != nil {
		t.namesOf[project] = out
	}
	return out
}

func (t *tx) nameOf(s *Service) named {
	n := named{name: s.Asked.Key.Name, own: map[string][]string{}}
	keys := t.lasting(t.balancersOf(s))
	for _, key := range keys {
		address := t.balancers.get(key).Facts.Address
		n.addresses = append(n.addresses, address)
		n.own[key.Host] = append(n.own[key.Host], address)
	}
	sort.Strings(n.addresses)
	for host, own := range n.own {
		var others []string
		for _, key := range keys {
			if key.Host != host {
				others = append(others, t.balancers.get(key).Facts.Address)
			}
		}
		sort.Strings(others)
		n.own[host] = append(own, others...)
	}
	return n
}
