package brain_test

import (
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// told has a host that runs a-1 told to leave.
func told(t *testing.T, policy string) *world {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	w.ops = nil
	w.send(fleet.Desired{Host: "h1", Leave: policy})
	return w
}

// confirm is the hub's word that it has forgotten the host.
func (w *world) confirm(session string) {
	w.step(brain.AckReceived{Payload: w.seal(w.epoch, 0, fleet.Ack{Session: session, Left: true})})
}

func TestAHostLeaves(t *testing.T) {
	for _, policy := range []string{fleet.LeaveStop, fleet.LeaveKeep} {
		t.Run(policy, func(t *testing.T) {
			w := told(t, policy)
			if w.withdraw != policy || w.presence.State != fleet.PresenceOnline {
				t.Fatalf("withdraws %q, says %q", w.withdraw, w.presence.State)
			}
			w.exit("a-1", 1)
			w.settle()
			w.pass(time.Minute)
			if got := w.kinds(); got != "" || len(w.probes) > 0 || w.presence.State != fleet.PresenceOnline {
				t.Fatalf("operations %q, probes %v, says %q before the balancers are seen to", got, w.probes, w.presence.State)
			}
			w.step(brain.Withdrawn{})
			if p := w.presence; p.State != fleet.PresenceLeft || p.Observed.Generation != w.gen {
				t.Fatalf("it says %+v", p)
			}
			beats := w.beats
			w.pass(3 * w.config.Timing.Heartbeat)
			if w.beats-beats != 3 || w.gone {
				t.Fatalf("said %d times more, gone %v", w.beats-beats, w.gone)
			}
			w.confirm("another")
			if w.gone {
				t.Fatal("that was meant for another session")
			}
			w.confirm("s1")
			if !w.gone {
				t.Fatal("it goes on")
			}
			if got := w.kinds(); got != "" {
				t.Errorf("operations %q", got)
			}
		})
	}
}

// What was said to the hub is on disk, and an agent that is started again goes on
// there.
func TestLeavingSurvivesTheAgent(t *testing.T) {
	w := told(t, fleet.LeaveStop)
	cache := decodeCache(t, w.disk)
	if left, confirmed := cache.Left(); left != "h1" || confirmed {
		t.Fatalf("on disk: left %q, confirmed %v", left, confirmed)
	}
	w.withdraw = ""
	w.boot("start2")
	w.connected()
	w.settle()
	w.send(desired(webSpec(), "a-1", "a-2")) // too late
	if got := w.kinds(); got != "" || w.withdraw != fleet.LeaveStop || w.actual != nil {
		t.Fatalf("operations %q, withdraws %q, reports %v", got, w.withdraw, w.actual)
	}
	w.step(brain.Withdrawn{})
	w.confirm("s1")
	cache = decodeCache(t, w.disk)
	if left, confirmed := cache.Left(); left != "h1" || !confirmed {
		t.Fatalf("on disk: left %q, confirmed %v", left, confirmed)
	}
	cache.Rejoin()
	if left, _ := cache.Left(); left != "" || cache.Instances["a-1"] == nil {
		t.Errorf("after it has joined again: left %q, instances %v", left, cache.Instances)
	}
	w.disk = must(jsonOf(&cache))
	w.boot("start3")
	w.connected()
	w.settle()
	for _, follows := range []string{"", "L1"} { // once it has a pool, it follows a hub
		if w.state.Cache().Instances["a-1"].ReadyRun == "" {
			t.Errorf("it has forgotten what was ready while it follows %q", follows)
		}
		w.sendPool(1, false, 9000)
	}
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	if !w.instance("a-1").Ready || w.kinds() != "" {
		t.Error("what runs isn't taken over")
	}
}

func TestNothingFollowsFromLeavingThatIsNotOnDisk(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	w.full, w.ops = true, nil
	w.send(fleet.Desired{Host: "h1", Leave: fleet.LeaveKeep})
	w.step(brain.Withdrawn{})
	w.pass(time.Minute)
	if w.withdraw != "" || w.presence.State != fleet.PresenceOnline {
		t.Fatalf("withdraws %q, says %q", w.withdraw, w.presence.State)
	}
	w.exit("a-1", 1)
	w.settle()
	if w.kinds() != "start" {
		t.Error("it looks after nothing any more")
	}
	w.full = false
	w.pass(time.Minute)
	w.send(fleet.Desired{Host: "h1", Leave: fleet.LeaveKeep})
	if w.withdraw != fleet.LeaveKeep {
		t.Error("it doesn't leave")
	}
}

func TestAHubThatLetsNobodyInHasForgottenIt(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.step(brain.Dismissed{})
	if w.gone {
		t.Fatal("nobody told it to leave")
	}
	w.send(fleet.Desired{Host: "h1", Leave: fleet.LeaveKeep})
	w.step(brain.Withdrawn{})
	w.step(brain.Disconnected{})
	w.step(brain.Dismissed{})
	if !w.gone {
		t.Error("it goes on")
	}
}

func TestAnUnknownWayToLeaveIsRefused(t *testing.T) {
	w := told(t, "burn")
	if w.withdraw != "" || len(w.eventsOf(fleet.EventMessageRefused)) != 1 {
		t.Errorf("withdraws %q, events %v", w.withdraw, w.eventsOf(fleet.EventMessageRefused))
	}
}

// Another hub may have the host: it begins anew there.
func TestAHostThatLeftMayFollowAnotherHub(t *testing.T) {
	w := told(t, fleet.LeaveStop)
	w.step(brain.Withdrawn{})
	w.confirm("s1")
	w.config.Adopt = "L2"
	w.boot("start2")
	if left, confirmed := w.state.Cache().Left(); left != "" || confirmed {
		t.Errorf("left %v, confirmed %v", left, confirmed)
	}
}
