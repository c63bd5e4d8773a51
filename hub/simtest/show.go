package simtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// Show writes a part of the fleet as a table: services, instances, hosts,
// containers or traffic.
func (s *Sim) Show(what string) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	switch what {
	case "containers":
		s.showContainers(w)
	case "traffic":
		s.showTraffic(w)
	default:
		if !s.hub.up {
			return "the hub is down\n"
		}
		switch what {
		case "services":
			s.showServices(w)
		case "instances":
			s.showInstances(w)
		case "hosts":
			s.showHosts(w)
		default:
			fmt.Fprintf(w, "nobody knows how to show %q\n", what)
		}
	}
	_ = w.Flush() // a Builder takes everything
	return trimLines(out.String())
}

func (s *Sim) showServices(w *tabwriter.Writer) {
	for _, v := range s.hub.state.View(s.hub.now()).Services("") {
		fmt.Fprintf(w, "%s\tv%d\t%d/%d ready\t%s\n", v.Key, v.Version, v.Ready, v.Desired, v.State)
		for _, why := range v.Reasons {
			fmt.Fprintf(w, "  %s\n", s.named(why))
		}
	}
}

// named puts names in the place of instances' ids, which follow from revisions.
func (s *Sim) named(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if name, known := s.checker.names[word]; known {
			words[i] = name
		}
	}
	return strings.Join(words, " ")
}

func (s *Sim) showInstances(w *tabwriter.Writer) {
	for _, v := range s.hub.state.View(s.hub.now()).Instances(fleet.ServiceKey{}, "") {
		fmt.Fprintf(w, "%s/%d\tv%d\t%s\t%s\t%s\n", v.Service, v.Slot, v.Version, v.Host, v.Goal, v.State)
	}
}

func (s *Sim) showHosts(w *tabwriter.Writer) {
	for _, v := range s.hub.state.View(s.hub.now()).Hosts() {
		fmt.Fprintf(w, "%s\t%s\t%d instances, %d ready\n", v.ID, v.Status.State, v.Instances, v.Ready)
		if v.Leaving != nil {
			fmt.Fprintf(w, "  leaves (%s)\n", v.Leaving.Policy)
			for _, why := range v.Reasons {
				fmt.Fprintf(w, "    %s\n", s.named(why))
			}
		}
	}
}

func (s *Sim) showContainers(w *tabwriter.Writer) {
	for _, id := range s.names {
		h := s.hosts[id]
		for _, c := range h.engine.sorted() {
			if c.instance == "" {
				continue
			}
			what := c.State
			if h.off {
				what = "off"
			}
			fmt.Fprintf(w, "%s\t%s\t%s/%s\t%s, %d starts\n", id, c.ID, c.Labels[brain.LabelService], c.Labels[brain.LabelSlot], what, c.run)
		}
	}
}

func (s *Sim) showTraffic(w *tabwriter.Writer) {
	for _, key := range slices.SortedFunc(maps.Keys(s.clients.counts), byKey) {
		t := s.clients.counts[key]
		fmt.Fprintf(w, "%s\t%s answered\t%s failed\t%s refused\n", key, some(t.OK), some(t.Failed), some(t.Refused))
	}
}

// some keeps counts that nobody means out of what is shown.
func some(n int) string {
	if n == 0 {
		return "none"
	}
	return "some"
}

// Pool writes what each balancer really does with a service's endpoints,
// beside what the hub wants.
func (s *Sim) Pool(service fleet.ServiceKey) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	if !s.hub.up {
		return "the hub is down\n"
	}
	for _, p := range s.hub.state.View(s.hub.now()).Pools(service) {
		for _, e := range p.Endpoints {
			does := "absent"
			if h := s.hosts[p.Balancer.Host].haproxy; h.current != nil {
				for _, server := range h.current.servers {
					if server.Instance == e.Instance {
						does = fmt.Sprintf("%s, check %s", server.shown(), health(server))
					}
				}
			}
			in := s.checker.instances[e.Instance]
			fmt.Fprintf(w, "%s\t%s/%d on %s\twanted %s\t%s\n", p.Balancer, service.Name, in.Slot, in.Host, e.State, does)
		}
	}
	_ = w.Flush() // a Builder takes everything
	return trimLines(out.String())
}

func health(s *server) string {
	if s.health == "" {
		return fleet.CheckUnknown
	}
	return s.health
}

// Events writes the hub's events since a time after the start, in order and
// without their times: those follow from too much that a story isn't about.
func (s *Sim) Events(since time.Duration, types ...string) string {
	var out strings.Builder
	for _, e := range s.hub.store.events {
		at := e.Time.Sub(s.start)
		kind := strings.TrimPrefix(e.Type, "muster.")
		if e.Source != "hub" || at < since || len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return strings.HasPrefix(kind, t) }) {
			continue
		}
		fmt.Fprintln(&out, e.Data.Message)
	}
	return out.String()
}

func trimLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func byKey(a, b fleet.ServiceKey) int { return strings.Compare(a.String(), b.String()) }
