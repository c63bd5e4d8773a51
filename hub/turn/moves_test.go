package turn

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

// running are the instances that are to run, and where.
func (r *random) running() map[string]string {
	out := map[string]string{}
	for id, in := range r.s.Instances {
		if in.Goal == fleet.GoalRun {
			out[id] = in.Host
		}
	}
	return out
}

// wantKept: of what ran, all but what was on the host left runs where it did.
func (r *random) wantKept(before map[string]string, left string) {
	r.t.Helper()
	now := r.running()
	for id, host := range before {
		if host != left && now[id] != host {
			r.t.Fatalf("%s of %s was on %s: %v", id, r.s.Instances[id], host, now)
		}
	}
}

// TestAnAdditionMovesNobody: one more instance, service or host leaves
// everybody else where they are.
func TestAnAdditionMovesNobody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRandom(t)
		r.pass(10 * time.Second)
		before := r.running()
		switch rapid.SampledFrom([]string{"instance", "service", "host"}).Draw(t, "one more") {
		case "instance":
			key := rapid.SampledFrom([]fleet.ServiceKey{web, api, edge}).Draw(t, "service")
			if s := r.s.Services[key]; s != nil {
				r.order(fleet.Command{Do: fleet.DoScale, Service: key, Count: s.Asked.Count + rapid.IntRange(1, 3).Draw(t, "more")})
			}
		case "service":
			s := someService(t, api)
			s.Key.Name = "more"
			r.apply(s)
		case "host":
			r.add("more")
		}
		r.pass(10 * time.Second)
		r.wantKept(before, "")
	})
}

// TestADrainMovesOnlyWhatIsThere: who is elsewhere stays, and nothing comes.
func TestADrainMovesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRandom(t)
		r.pass(10 * time.Second)
		before, drained := r.running(), r.someHost(t).id
		r.order(fleet.Command{Do: fleet.DoHostDrain, Host: drained})
		r.pass(20 * time.Second)
		r.wantKept(before, drained)
		for id, host := range r.running() {
			if host == drained && before[id] == "" {
				t.Fatalf("%s came to %s, which is drained", r.s.Instances[id], host)
			}
		}
	})
}

// TestALossMovesOnlyWhatIsThere: who is on hosts that are heard stays, whatever
// the loss of another makes the fleet do, and its return too.
func TestALossMovesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRandom(t)
		r.pass(10 * time.Second)
		before, lost := r.running(), r.someHost(t)
		lost.cut = true
		r.pass(time.Minute)
		r.wantKept(before, lost.id)
		before = r.running()
		lost.cut = false
		r.pass(20 * time.Second)
		r.wantKept(before, lost.id)
	})
}

// TestHowInputsAreBatchedDoesNotMatter: a turn with all that waits, or a turn
// for each, end in the same: how many of which version are, and what every pool
// has. Who came first, and so slots and hosts, may differ.
func TestHowInputsAreBatchedDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hosts := manyHosts(rapid.IntRange(1, 4).Draw(t, "hosts"))
		orders := rapid.SliceOfN(rapid.Custom(someOrder), 1, 5).Draw(t, "orders")
		var ends []string
		for _, apart := range []bool{false, true} {
			r := &random{world: newWorld(t, hosts...).withBalancer(hosts[0]).join()}
			r.apart = apart
			for _, c := range orders {
				r.order(c)
				r.pass(40 * time.Second)
			}
			ends = append(ends, r.decisions())
		}
		if ends[0] != ends[1] {
			t.Fatalf("together\n%s\napart\n%s", ends[0], ends[1])
		}
	})
}

// someOrder is about a service that every order may be about.
func someOrder(t *rapid.T) fleet.Command {
	key := rapid.SampledFrom([]fleet.ServiceKey{web, edge, logs}).Draw(t, "service")
	switch rapid.SampledFrom([]string{fleet.DoApply, fleet.DoScale, fleet.DoRestart, fleet.DoHostDrain, fleet.DoHostActivate}).Draw(t, "order") {
	case fleet.DoScale:
		return fleet.Command{Do: fleet.DoScale, Service: key, Count: rapid.IntRange(0, 5).Draw(t, "count")}
	case fleet.DoRestart:
		return fleet.Command{Do: fleet.DoRestart, Service: key}
	case fleet.DoHostDrain:
		return fleet.Command{Do: fleet.DoHostDrain, Host: "web0"}
	case fleet.DoHostActivate:
		return fleet.Command{Do: fleet.DoHostActivate, Host: "web0"}
	}
	return fleet.Command{Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{someService(t, key)}}
}

// decisions are what the hub decided, without the numbers that count turns.
func (r *random) decisions() string {
	versionOf, lines := map[string]string{}, map[string]int{}
	for id, in := range r.s.Instances {
		versionOf[id] = fmt.Sprintf("%s@%d", in.Service, in.Version)
		lines[fmt.Sprintf("%s: %s, ready %v", versionOf[id], in.Goal, in.Ready)]++
	}
	for key, p := range r.s.Pools {
		for _, e := range p.Pool.Endpoints {
			lines[fmt.Sprintf("pool %s: %s %s", key, versionOf[e.Instance], e.State)]++
		}
	}
	text := ""
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		text += fmt.Sprintf("%d x %s\n", lines[line], line)
	}
	return text
}
