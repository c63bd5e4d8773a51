package simtest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Times of the agent's shell.
const (
	resyncEvery = 10 * time.Second
	relistEvery = time.Second // while the engine doesn't answer
	coalesce    = 50 * time.Millisecond
	factsTake   = 200 * time.Millisecond
	askWithin   = 2 * time.Second
)

// agent is the shell round an agent's brain. Dead, it stays dead: its host
// gets another.
type agent struct {
	sim    *Sim
	host   *host
	dead   bool
	since  time.Time     // when it started
	skew   time.Duration // of the host's clock at its start: from there on it counts evenly
	brain  *brain.State
	link   *link
	prober *prober
	driver *driver // nil: no balancer

	waking  int // numbers the ticks asked for; only the last one counts
	listing bool
	wanted  bool
	resync  int
}

func newAgent(h *host) *agent {
	a := &agent{sim: h.sim, host: h, since: h.sim.now, skew: h.skew}
	var cache brain.Cache
	if len(h.disk) > 0 {
		if err := json.Unmarshal(h.disk, &cache); err != nil {
			h.sim.violate("%s can't read its own disk: %v", h.id, err)
		}
	}
	if h.sim.options.Sabotage.BelieveOldState {
		cache.Desired = nil
	}
	facts := h.facts()
	a.brain = brain.New(brain.Config{
		SecretsDir: "/run/secrets-of-" + h.id,
		Host:       h.id, AgentStart: fmt.Sprintf("%s-%d", h.id, h.starts), Facts: facts, Bind: h.address,
		Limits: brain.DefaultLimits(), Timing: h.sim.options.Timing,
	}, cache, a.now())
	a.link = newLink(a)
	a.prober = &prober{agent: a, running: map[string]*probe{}}
	if h.haproxy != nil {
		a.driver = newDriver(a)
	}
	return a
}

// now is the time as the agent has it: it doesn't jump with the host's clock.
func (a *agent) now() time.Time { return a.sim.now.Add(a.skew) }

func (a *agent) begin() {
	if a.sim.options.Sabotage.RestartAtBoot {
		a.host.engine.sabotageRestart()
	}
	a.list()
	a.sim.after(factsTake, func() { a.step(brain.ForeignRead{Foreign: a.host.engine.foreign()}) })
	if a.driver != nil {
		a.driver.wake(0)
	}
	a.link.connect(a.sim.now)
}

func (a *agent) die() {
	a.dead = true
	a.host.agent = nil
	if x := a.link.session; x != nil && x.open {
		a.link.close(x)
	}
}

// step gives the brain an input and does what follows.
func (a *agent) step(in brain.Input) {
	if a.dead {
		return
	}
	out := brain.Step(a.brain, in, a.now())
	if out.Save {
		a.save()
	}
	if out.SecretsChanged {
		a.keepSecrets(out.Secrets)
	}
	for _, op := range out.Ops {
		a.provide(&op)
		a.do(op)
	}
	if out.ProbesChanged {
		a.prober.set(out.Probes)
	}
	if out.PoolsChanged && a.driver != nil {
		a.driver.want(out.Pools)
	}
	a.publish(&out)
	if out.Withdraw != "" {
		a.withdraw(out.Withdraw)
	}
	if out.Gone {
		a.leave()
		return
	}
	a.wakeAt(out.Wake)
}

// save writes the brain's cache as it is now, which takes its time. What a
// dead agent was writing is lost.
func (a *agent) save() {
	raw, err := json.Marshal(a.brain.Cache())
	if err != nil {
		a.sim.violate("%s can't write its cache: %v", a.host.id, err)
		return
	}
	took := a.sim.chance("disk "+a.host.id).between(time.Millisecond, 5*time.Millisecond) + a.host.slow
	a.sim.after(took, func() {
		switch {
		case a.dead:
		case a.host.full:
			a.step(brain.Saved{Problem: "no space left on device"})
		default:
			a.host.disk = raw
			a.step(brain.Saved{})
		}
	})
}

func (a *agent) wakeAt(when time.Time) {
	a.waking++
	serial := a.waking
	if when.IsZero() {
		return
	}
	when = when.Add(-a.skew)
	if !when.After(a.sim.now) {
		when = a.sim.now.Add(time.Millisecond)
	}
	a.sim.at(when, func() {
		if a.waking == serial {
			a.step(brain.Tick{})
		}
	})
}

func (a *agent) publish(out *brain.Outputs) {
	if out.Presence != nil {
		a.sim.checker.observed(a.host, out.Presence.Observed)
		a.send(wire.LeafPresence, out.Beat, out.Presence)
	}
	if out.Actual != nil {
		a.sim.checker.reported(out.Actual)
		a.send(wire.LeafActual, out.Sequence, out.Actual)
	}
	if b := out.Events; b != nil {
		a.send(wire.LeafEvents, b.First+uint64(len(b.Events))-1, b)
	}
	if out.Metrics != nil {
		a.send(wire.LeafMetrics, out.Turn, out.Metrics)
	}
}

func (a *agent) send(leaf string, generation uint64, body interface{ Validate() error }) {
	if err := body.Validate(); err != nil {
		a.sim.violate("%s sends %s that the hub refuses: %v", a.host.id, leaf, err)
	}
	payload, err := wire.Seal(a.brain.Lineage(), 0, generation, body)
	if err != nil {
		a.sim.violate("%s can't encode its %s: %v", a.host.id, leaf, err)
		return
	}
	a.link.set(wire.Host(a.host.id, leaf), payload)
}

func (a *agent) will(session string) (string, []byte) {
	facts := a.host.facts()
	payload, err := wire.Seal(a.brain.Lineage(), 0, 0, fleet.Presence{
		State: fleet.PresenceLost, BootID: facts.BootID, AgentStart: fmt.Sprintf("%s-%d", a.host.id, a.host.starts), Session: session,
	})
	if err != nil {
		a.sim.violate("%s can't encode its Will: %v", a.host.id, err)
	}
	return wire.Host(a.host.id, wire.LeafPresence), payload
}

func (a *agent) connected(session string) { a.step(brain.Connected{Session: session}) }

func (a *agent) disconnected() { a.step(brain.Disconnected{}) }

// message takes what the hub says.
func (a *agent) message(topic string, payload []byte) {
	_, leaf, rest, _ := wire.HostTopic(topic)
	switch leaf {
	case wire.LeafDesired:
		a.step(brain.DesiredReceived{Payload: payload})
	case wire.LeafPools:
		if service, err := fleet.ParseServiceKey(rest); err == nil {
			a.step(brain.PoolReceived{Service: service, Payload: payload})
		}
	case wire.LeafAck:
		a.link.echo()
		a.step(brain.AckReceived{Payload: payload})
	case wire.LeafAsk:
		a.ask(payload)
	}
}

// ask answers whether a balancer's listener can be reached from here.
func (a *agent) ask(payload []byte) {
	var ask fleet.Ask
	if _, err := wire.Open(payload, &ask); err != nil || ask.Do != fleet.AskCheck {
		return
	}
	answer := fleet.Answer{ID: ask.ID, OK: a.sim.listens(a.host.id, ask.Address), Looked: true}
	wait := 2 * a.sim.hop()
	if !answer.OK {
		answer.Problem, wait = "connection timed out", askWithin
	}
	a.sim.after(wait, func() {
		if !a.dead {
			a.send(wire.LeafResult+"/"+answer.ID, 0, &answer)
		}
	})
}

func (a *agent) do(op brain.Op) {
	a.host.engine.do(op, func(r brain.Result) {
		r.Kind, r.Instance, r.Version = op.Kind, op.Instance, op.Version
		a.step(brain.OpDone{Result: r})
		if op.Kind != brain.OpPull {
			a.list()
		}
	})
}

// list has the engine listed, one listing at a time.
func (a *agent) list() {
	if a.dead {
		return
	}
	if a.listing {
		a.wanted = true
		return
	}
	a.listing, a.wanted = true, false
	after := a.brain.Turn()
	a.sim.after(a.sim.chance("lists").between(5*time.Millisecond, 15*time.Millisecond), func() {
		takes := a.sim.chance("lists").between(5*time.Millisecond, 15*time.Millisecond)
		a.host.engine.call(listWithin, func() bool { return !a.dead }, func() func() {
			containers, up := a.host.engine.list()
			return func() { a.sim.after(takes, func() { a.listed(after, containers, up) }) }
		}, func() { a.listed(after, nil, false) })
	})
}

func (a *agent) listed(after uint64, containers []brain.Container, up bool) {
	if a.dead {
		return
	}
	a.listing = false
	pause := resyncEvery
	if up {
		a.step(brain.Listed{After: after, Containers: containers})
		a.sabotage(containers)
	} else {
		pause = relistEvery
		a.step(brain.EngineFailed{Problem: "the engine does not answer"})
	}
	if a.wanted {
		a.list()
		return
	}
	a.resync++
	serial := a.resync
	a.sim.after(pause, func() {
		if a.resync == serial {
			a.list()
		}
	})
}

// noticed hears that something happened to a container.
func (a *agent) noticed(in brain.Noticed) {
	if a.dead {
		return
	}
	a.step(in)
	a.sim.after(coalesce, a.list)
}
