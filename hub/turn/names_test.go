package turn

import (
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// TestNamesAreToldWhenTheyChange: whether a service is reached by its name, and
// where, concerns every host of its project; anything else about it does not.
func TestNamesAreToldWhenTheyChange(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	other := fleet.Service{Key: fleet.ServiceKey{Project: "shop", Name: "jobs"}, Mode: fleet.ModeReplicated, Count: 1, CountStated: true, Spec: fleet.Spec{Image: "jobs:1"},
		Constraints: []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web2"}}}
	s := webService(1, "web:1")
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web1"}}
	told := func(services ...fleet.Service) (hosts []string) {
		t.Helper()
		w.seq++
		out := w.step(CommandIn{fleet.Command{ID: string(rune('a' + w.seq)), Do: fleet.DoApply, Project: "shop", Services: services}})
		if err := out.Replies[0].Err; err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Publish {
			if host, leaf, _, ok := wire.HostTopic(p.Topic); ok && leaf == wire.LeafDesired {
				hosts = append(hosts, host)
			}
		}
		slices.Sort(hosts)
		return hosts
	}
	told(other)
	if got := told(s); !slices.Equal(got, []string{"web1", "web2"}) {
		t.Errorf("a new name was told to %v", got)
	}
	if got := w.hosts["web2"].desired.Names["shop"]["web"]; !slices.Equal(got, []string{"10.0.0.1"}) {
		t.Errorf("web2 reaches it at %v", got)
	}
	s.Spec.Image = "web:2"
	if got := told(s); slices.Contains(got, "web2") {
		t.Errorf("another image was told to %v", got)
	}
	s.Balancing = nil
	if got := told(s); !slices.Contains(got, "web2") || len(w.hosts["web2"].desired.Names) != 0 {
		t.Errorf("the end of the name was told to %v; web2 has %v", got, w.hosts["web2"].desired.Names)
	}
}

// TestANameThatComesBackIsToldWhereItsFormerInstanceWaits: a host that isn't
// heard still has to stop an instance of a service that is gone. Once a service
// has the name again, that instance is one of its project's.
func TestANameThatComesBackIsToldWhereItsFormerInstanceWaits(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	on := func(name, host string) fleet.Service {
		return fleet.Service{Key: fleet.ServiceKey{Project: "shop", Name: name}, Mode: fleet.ModeReplicated, Count: 1, CountStated: true, Spec: fleet.Spec{Image: name + ":1"},
			Constraints: []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: host}}}
	}
	front := webService(1, "web:1")
	front.Constraints = on("web", "web1").Constraints
	jobs := on("jobs", "web2")
	w.apply(front, jobs)
	w.pass(5 * time.Second)
	w.hosts["web2"].cut = true
	w.pass(time.Minute)
	w.order(fleet.Command{Do: fleet.DoRemove, Service: jobs.Key})
	w.pass(time.Minute)
	if w.s.Services[jobs.Key] != nil || len(w.s.byHost["web2"]) != 1 {
		t.Fatalf("only the stop should be left: %v, %v", w.s.Services[jobs.Key], w.s.byHost["web2"])
	}
	before := w.s.Hosts["web2"].Sum
	w.apply(on("jobs", "web3"))
	if w.s.Hosts["web2"].Sum == before {
		t.Error("what web2 is to have has changed, and wasn't published")
	}
}
