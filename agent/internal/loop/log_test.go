package loop_test

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
	"github.com/musterhq/muster/test/logbuf"
)

// linesOf are those of a log that name an instance.
func linesOf(log *logbuf.Buffer, instance string) (lines []string) {
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, " instance="+instance+" ") && strings.Contains(line, " service=shop/web") {
			lines = append(lines, line)
		}
	}
	return lines
}

var toldBy = regexp.MustCompile(`msg=("[^"]*"|\S+)|\b(?:type|goal|kind|state)=(\S+)`)

// told shortens lines to what they say: message, and what of.
func told(lines []string) (out []string) {
	for _, line := range lines {
		var words []string
		for _, found := range toldBy.FindAllStringSubmatch(line, -1) {
			words = append(words, strings.Trim(found[1], `"`)+found[2])
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}

func TestTheLogTellsTheStoryOfAnInstance(t *testing.T) {
	log := &logbuf.Buffer{}
	r := run(t, func(o *loop.Options, _ *rig) { o.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	for _, state := range []string{"", fleet.EndpointReady, fleet.EndpointReady, fleet.EndpointDraining, drainedEndpoint, ""} {
		actual := fleet.BalancerActual{Name: "haproxy", Up: true, Pools: []fleet.PoolActual{{Service: shopWeb}}}
		if state != "" {
			e := fleet.EndpointActual{Instance: "a-1", State: state}
			if state == drainedEndpoint {
				e.State, e.Drained = fleet.EndpointDraining, true
			}
			actual.Pools[0].Endpoints = []fleet.EndpointActual{e}
		}
		r.loop.Balanced(actual)
	}
	r.send(fleet.GoalStop, "a-1")
	r.until("it is gone", func() bool {
		a := r.actual()
		return len(a.Instances) == 1 && a.Instances[0].Phase == fleet.PhaseStopped
	})
	r.send(fleet.GoalRun)
	r.until("it is forgotten", func() bool { return slices.Contains(told(linesOf(log, "a-1")), "instance forgotten") })
	want := []string{
		"instance accepted run", "operation ended pull", "operation ended create", "operation ended start", "event muster.instance.started", "instance ready",
		"instance in balancer ready", "instance in balancer draining", "instance in balancer drained", "instance in balancer removed",
		"instance accepted stop", "instance not ready", "operation ended stop", "operation ended remove", "instance forgotten",
	}
	if diff := cmp.Diff(want, told(linesOf(log, "a-1"))); diff != "" {
		t.Errorf("%s", diff)
	}
}

const drainedEndpoint = "drained"

// TestSignsOfLifeWriteNoLine: a fleet that stays as it is is silent.
func TestSignsOfLifeWriteNoLine(t *testing.T) {
	log := &logbuf.Buffer{}
	r := run(t, func(o *loop.Options, _ *rig) {
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
		o.Timing.Resync, o.Brain.Timing.Heartbeat = 5*time.Millisecond, 5*time.Millisecond
	})
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	lines, beat := len(linesOf(log, "a-1")), r.beat()
	r.until("signs of life", func() bool { return r.beat() > beat+20 })
	if more := linesOf(log, "a-1")[lines:]; len(more) > 0 {
		t.Errorf("it isn't silent:\n%s", more)
	}
}

// beat is the number of the last sign of life.
func (r *rig) beat() uint64 {
	env, err := wire.Open(r.link.last(wire.LeafPresence), &fleet.Presence{})
	if err != nil {
		return 0
	}
	return env.Generation
}

// measured is an observer that keeps what it is told.
type measured struct {
	mu       sync.Mutex // guards the rest
	turns    int
	works    map[string]int
	reported int
}

func (m *measured) Turned(time.Duration, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turns++
}

func (m *measured) Worked(kind string, took time.Duration, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if took > 0 && !failed {
		m.works[kind]++
	}
}

func (m *measured) Reported(*fleet.Actual) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reported++
}

func TestWorkIsMeasured(t *testing.T) {
	m := &measured{works: map[string]int{}}
	r := run(t, func(o *loop.Options, _ *rig) { o.Observer = m })
	r.loop.Connected("s1")
	r.send(fleet.GoalRun, "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, kind := range []string{brain.OpPull, brain.OpCreate, brain.OpStart, loop.WorkList, loop.WorkSave} {
		if m.works[kind] == 0 {
			t.Errorf("no %s in %v", kind, m.works)
		}
	}
	if m.turns == 0 || m.reported == 0 {
		t.Errorf("%d turns, %d reports", m.turns, m.reported)
	}
}
