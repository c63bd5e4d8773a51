package turn

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/shared/fleet"
)

// tallied compares what turns kept count of with a count of the whole fleet.
// Every test does, each time that a second passes.
func (w *world) tallied() {
	w.t.Helper()
	want := newTally()
	for id, h := range w.s.Hosts {
		want.host(h, w.s.live[id], 1)
	}
	for _, told := range w.s.told {
		want.service(told, 1)
	}
	for _, in := range w.s.Instances {
		want.instance(in, 1)
	}
	got := *w.s.Tally()
	zeroes := cmp.Transformer("withoutZeroes", func(counts map[string]int) map[string]int {
		out := map[string]int{}
		for word, n := range counts {
			if n != 0 {
				out[word] = n
			}
		}
		return out
	})
	if diff := cmp.Diff(want, got, zeroes); diff != "" {
		w.t.Fatalf("the tally is off: %s", diff)
	}
}

func TestTheTallyOfALoadedStateIsThatOfTheOneBefore(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(5 * time.Second)
	if tally := w.s.Tally(); tally.Hosts[fleet.HostUp] != 2 || tally.Services[fleet.ServiceConverged] != 1 || tally.Instances[fleet.GoalRun] != 3 || tally.Ready != 3 || tally.Desired != 3 {
		t.Fatalf("counted %+v", tally)
	}
	w.restart()
	w.tallied()
	if tally := w.s.Tally(); tally.Hosts[fleet.HostUnknown] != 2 || tally.Instances[fleet.GoalRun] != 3 || tally.Ready != 3 || tally.Desired != 3 {
		t.Errorf("after a restart it counted %+v", tally)
	}
}
