package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/internal/commands"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a dispatcher with a real brain behind it, and agents that answer as the
// test says.
type rig struct {
	*testing.T
	d *commands.Dispatcher

	mu      sync.Mutex // guards the rest
	s       *turn.State
	now     time.Time
	did     []fleet.Command
	asked   []fleet.Ask
	audited []fleet.AuditEntry
	told    []told
	answer  func(host string, ask fleet.Ask) *fleet.Answer // nil: none comes
	tail    string
	held    chan struct{} // the fleet's loop takes nothing before it is closed; nil: it does
	broken  error         // the audit trail's
}

type told struct {
	topic  string
	result fleet.CommandResult
}

var (
	ann    = fleet.Principal{Name: "ann", Role: fleet.RoleOperator, Via: fleet.ViaMQTT, From: "192.0.2.7"}
	viewer = fleet.Principal{Name: "vic", Role: fleet.RoleViewer, Via: fleet.ViaMQTT, From: "192.0.2.8"}
	rank   = fleet.ServiceKey{Project: "shop", Name: "rank"}
)

func newRig(t *testing.T, limits commands.Limits) *rig {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := &rig{T: t, s: turn.New("lineage", 1, 0, start, turn.DefaultOptions()), now: start}
	r.answer = func(string, fleet.Ask) *fleet.Answer { return &fleet.Answer{OK: true, Output: "all of it"} }
	d, err := commands.New(commands.Options{
		Fleet: r, Agents: r, Bus: r, Now: r.time, Logger: slog.New(slog.DiscardHandler), Limits: limits,
		Audit: func(e fleet.AuditEntry) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.audited = append(r.audited, e)
			return r.broken
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.d = d
	r.joins("web1", fleet.FeatureAnswers)
	r.joins("web2", fleet.FeatureAnswers)
	r.order(fleet.Command{Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{service("shop", "rank", 2), service("shop", "web", 1)}})
	r.order(fleet.Command{Do: fleet.DoApply, Project: "blog", Services: []fleet.Service{service("blog", "web", 1)}})
	return r
}

func service(project, name string, count int) fleet.Service {
	return fleet.Service{
		Key: fleet.ServiceKey{Project: project, Name: name}, Mode: fleet.ModeReplicated, Count: count, CountStated: true, Spec: fleet.Spec{Image: name + ":1"},
	}
}

// running has the dispatcher run while the test does.
func (r *rig) running() *rig {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.d.Run(ctx) }()
	r.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Error(err)
		}
	})
	return r
}

func (r *rig) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) step(inputs ...turn.Input) turn.Outputs {
	delta, out := turn.Step(r.s, inputs, r.now)
	delta.Fold()
	return out
}

func (r *rig) joins(host string, features ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	facts := fleet.HostFacts{Hostname: host, CPUs: 2, Memory: 1 << 30, Advertise: "10.0.0.1", MachineID: "m-" + host, BootID: "boot", Features: features, AgentVersion: "1.2.3"}
	r.step(
		turn.PresenceIn{Host: host, Presence: fleet.Presence{State: fleet.PresenceOnline, BootID: "boot", AgentStart: "a", Session: "s"}},
		turn.ActualIn{Host: host, Sequence: 1, Actual: fleet.Actual{Host: host, Facts: facts, AgentStart: "a", Session: "s", Engine: fleet.EngineStatus{Up: true}}},
	)
}

// leaves has a host lost.
func (r *rig) leaves(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(turn.PresenceIn{Host: host, Presence: fleet.Presence{State: fleet.PresenceLost, BootID: "boot", AgentStart: "a", Session: "s"}}, turn.Tick{})
}

func (r *rig) order(c fleet.Command) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if out := r.step(turn.CommandIn{Command: c}); out.Replies[0].Err != nil {
		r.Fatal(out.Replies[0].Err)
	}
}

func (r *rig) Do(ctx context.Context, c fleet.Command) (fleet.Result, error) {
	r.mu.Lock()
	held := r.held
	r.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return fleet.Result{}, &fleet.Error{Code: fleet.CodeUnavailable, Message: "the hub is stopping"}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.did = append(r.did, c)
	reply := r.step(turn.CommandIn{Command: c}).Replies[0]
	return reply.Result, reply.Err
}

func (r *rig) Read(_ context.Context, fn func(commands.View)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(r.s.View(r.now))
	return nil
}

func (r *rig) Ask(host string, ask fleet.Ask) error {
	r.mu.Lock()
	r.asked = append(r.asked, ask)
	answer := r.answer(host, ask)
	r.mu.Unlock()
	if answer != nil {
		answer.ID = ask.ID
		r.d.Answered(host, *answer)
	}
	return nil
}

func (r *rig) Tail(_ context.Context, host, instance string, lines, most int) (string, error) {
	if r.tail == "" {
		return "", errors.New("no logs")
	}
	text := fmt.Sprintf("%d of %s on %s\n%s", lines, instance, host, r.tail)
	return text[:min(len(text), most)], nil
}

func (r *rig) Publish(topic string, payload []byte, retain bool) error {
	var result fleet.CommandResult
	if err := json.Unmarshal(payload, &result); err != nil || retain {
		r.Errorf("published on %s, retained %t: %s", topic, retain, payload)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, told{topic, result})
	return nil
}

// results waits for so many results.
func (r *rig) results(n int) []told {
	r.Helper()
	for range 500 {
		r.mu.Lock()
		out := slices.Clone(r.told)
		r.mu.Unlock()
		if len(out) >= n {
			return out
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Fatalf("there aren't %d results: %+v", n, r.told)
	return nil
}

// says gives a command and returns what became of it.
func (r *rig) says(about, text string) fleet.CommandResult {
	return r.d.Do(context.Background(), ann, about, []byte(text))
}
