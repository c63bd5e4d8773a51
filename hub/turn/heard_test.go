package turn

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Who had the last acknowledgement again gets another one only when that says
// something else.
func TestAnAnsweredSignOfLifeNeedsNoOther(t *testing.T) {
	w := newWorld(t, "web1").join()
	acks := func(inputs ...Input) (n int) {
		t.Helper()
		for _, p := range w.step(inputs...).Publish {
			if p.Topic == wire.Host("web1", wire.LeafAck) {
				n++
			}
		}
		return n
	}
	said := w.report(w.hosts["web1"])
	beat, report := said[0].(PresenceIn), said[1].(ActualIn)
	answered := beat
	answered.Answered = true
	for _, c := range []struct {
		what   string
		inputs []Input
		want   int
	}{
		{"one that was answered", []Input{answered, answered}, 0},
		{"one that wasn't", []Input{beat}, 1},
		{"both, in any order", []Input{answered, beat, answered}, 1},
		{"one with a report that is new", []Input{answered, report}, 1},
		{"one that was answered, after that", []Input{answered}, 0},
	} {
		if n := acks(c.inputs...); n != c.want {
			t.Errorf("%s: %d acknowledgements, want %d", c.what, n, c.want)
		}
	}
}

// A host whose signs of life wait for their turn isn't silent.
func TestNobodyIsSilentWhileTheHubIsBehind(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	w.hosts["web1"].cut = true
	w.pass(9 * time.Second)
	w.now = w.now.Add(3 * time.Second)
	w.step(append(w.report(w.hosts["web2"]), Tick{Behind: 4 * time.Second})...)
	if state := w.s.live["web1"].State; state != fleet.HostUp {
		t.Fatalf("it is %s", state)
	}
	w.step(Tick{Behind: time.Second})
	if state := w.s.live["web1"].State; state != fleet.HostLost {
		t.Errorf("it is %s", state)
	}
}
