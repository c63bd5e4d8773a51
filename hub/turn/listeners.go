package turn

import (
	"fmt"
	"slices"
	"strings"

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

// listens returns every port that balancers listen on for a service.
func listens(s *Service) []int {
	if s.Asked.Balancing == nil {
		return nil
	}
	return append(listeners(&s.Asked), s.NamePorts...)
}

// shares is how the balancers' ports are shared out once a command is applied.
type shares struct {
	// names are the name ports of every service, sorted: the container ports
	// on which the balancers listen besides, so that "name:port" means the
	// same as on one machine.
	names    map[fleet.ServiceKey][]int
	warnings []string
	// lost says of services that aren't applied which name ports they lose.
	lost map[fleet.ServiceKey][]string
}

// shareOut gives every listener that a document states to its service, and
// refuses the command where it can't. What is left goes to the names: fixed
// ports come before them, and who has a name port keeps it before another
// gets it.
func (t *tx) shareOut(c fleet.Command) (*shares, error) {
	o := owners{}
	stay := t.staying(c)
	for _, s := range stay {
		o.state(&s.Asked)
	}
	t.bound(o)
	for i := range c.Services {
		s := &c.Services[i]
		if err := o.refuse(s); err != nil {
			return nil, err
		}
		o.state(s)
	}
	for _, s := range stay {
		if !s.Removing {
			t.mayBind(o, &s.Asked)
		}
	}
	for i := range c.Services {
		t.mayBind(o, &c.Services[i])
	}
	return t.shareNames(c, o, stay), nil
}

// staying are the services that the command doesn't name and that don't go
// with it, sorted.
func (t *tx) staying(c fleet.Command) (out []*Service) {
	named := map[fleet.ServiceKey]bool{}
	for i := range c.Services {
		named[c.Services[i].Key] = true
	}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if !named[key] && !(c.Prune && key.Project == c.Project) {
			out = append(out, t.services.get(key))
		}
	}
	return out
}

func (t *tx) shareNames(c fleet.Command, o owners, stay []*Service) *shares {
	out := &shares{names: map[fleet.ServiceKey][]int{}, lost: map[fleet.ServiceKey][]string{}}
	for _, s := range stay {
		if lost := out.give(o, &s.Asked, s.NamePorts, true); len(lost) > 0 {
			out.lost[s.Asked.Key] = lost
		}
	}
	for _, had := range []bool{true, false} {
		for i := range c.Services {
			var names []int
			if stands := t.services.get(c.Services[i].Key); stands != nil {
				names = stands.NamePorts
			}
			out.give(o, &c.Services[i], names, had)
		}
	}
	return out
}

// give lets a service have its name ports, the ones that it has or the others,
// and says of each that is taken what to use instead.
func (out *shares) give(o owners, s *fleet.Service, names []int, had bool) (taken []string) {
	if s.Balancing == nil {
		return nil
	}
	is := "is not"
	if had {
		is = "of " + s.Key.Project + " is no longer"
	}
	for _, r := range s.Balancing.Routes {
		if !had && len(r.Hosts) > 0 && slices.Contains(r.Listen, r.Target) {
			out.warnings = append(out.warnings, fmt.Sprintf("%s:%d is not reachable by name: port %d answers to %s; use that, or another listen port",
				s.Key.Name, r.Target, r.Target, strings.Join(r.Hosts, ", ")))
		}
		if slices.Contains(r.Listen, r.Target) || slices.Contains(names, r.Target) != had {
			continue
		}
		if why := o.taken(r.Target, s.Balancing.Balancers); why != "" {
			taken = append(taken, fmt.Sprintf("%s:%d %s reachable by name: port %d %s; use %s",
				s.Key.Name, r.Target, is, r.Target, why, alternatives(s.Key.Name, r.Listen)))
			continue
		}
		o.listen(s, r.Target)
		out.names[s.Key] = append(out.names[s.Key], r.Target)
		slices.Sort(out.names[s.Key])
	}
	out.warnings = append(out.warnings, taken...)
	return taken
}

// loseNames takes name ports from a service that isn't applied itself. Its
// pools go out first, so that a balancer has the ports free for others.
func (t *tx) loseNames(key fleet.ServiceKey, out *shares, c fleet.Command) {
	s := t.services.edit(key)
	s.NamePorts = out.names[key]
	t.event(fleet.EventServiceApplied, subjectService(key), c.ID, fleet.EventData{Message: strings.Join(out.lost[key], "; "), Service: &key, Version: s.Version})
	t.events[len(t.events)-1].Actor = c.Actor
	t.derivePools(key)
}

func alternatives(name string, listen []int) string {
	var out []string
	for _, port := range listen {
		out = append(out, fmt.Sprintf("%s:%d", name, port))
	}
	return strings.Join(out, " or ")
}
