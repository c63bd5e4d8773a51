package simtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Times of the hub's shell.
const (
	tickEvery   = 500 * time.Millisecond
	turnTakes   = time.Millisecond
	reachWithin = 2 * time.Second
)

// Points of a turn at which a hub can crash.
const (
	BeforeCommit = "before-commit"
	AfterCommit  = "after-commit"
)

var errHubDown = errors.New("the hub is down")

// hub is the shell round the hub's brain. While life is 0 it is dead.
type hub struct {
	sim     *Sim
	store   *store
	life    int // numbers the starts; what an earlier life began is dropped
	up      bool
	skew    time.Duration // of its machine's clock, from the next start on
	base    time.Duration // what its time is ahead of the simulation's
	state   *turn.State
	broker  *broker
	inputs  []turn.Input
	replies []func(turn.Reply) // by the index of the input; nil: nobody waits
	turning bool
	waiting []func(turn.Reply) // for the commit under way
	crashAt string             // the point at which the next turn that stores something dies
	lenient bool               // judges let everything go on
}

func newHub(s *Sim) *hub { return &hub{sim: s, store: newStore()} }

// now is receipt time: it goes on evenly from the hub's start, which is no
// earlier than its epoch.
func (h *hub) now() time.Time { return h.sim.now.Add(h.base) }

func (h *hub) start() {
	if h.up {
		return
	}
	h.life++
	h.up = true
	h.inputs, h.replies, h.waiting, h.turning, h.crashAt = nil, nil, nil, false, ""
	h.store.begin(h.sim.now.Add(h.skew))
	h.base = max(h.skew, time.Unix(int64(h.store.epoch), 0).Sub(h.sim.now))
	options := h.sim.options.Turn
	options.Encrypt = encrypt
	state, err := h.store.load(h.now(), options)
	if err != nil {
		h.sim.violate("the hub can't read its own store: %v", err)
		return
	}
	h.state = state
	h.sim.checker.hubStarted()
	h.broker = newBroker(h.sim)
	h.sim.say("hub", "starts at epoch %d, revision %d", state.Epoch, state.Revision)
	h.publish(turn.Boot(state))
	h.tick(h.life)
}

func (h *hub) crash() {
	if !h.up {
		return
	}
	h.up = false
	h.sim.say("hub", "crashes")
	waiting := slices.Concat(h.waiting, h.replies)
	h.inputs, h.replies, h.waiting = nil, nil, nil
	refuse(waiting, errHubDown)
	h.broker.die()
}

func refuse(waiting []func(turn.Reply), err error) {
	for _, reply := range waiting {
		if reply != nil {
			reply(turn.Reply{Err: err})
		}
	}
}

func (h *hub) tick(life int) {
	h.sim.after(tickEvery, func() {
		if h.up && h.life == life {
			h.put(turn.Tick{}, nil)
			h.tick(life)
		}
	})
}

// put queues an input for the next turn.
func (h *hub) put(in turn.Input, reply func(turn.Reply)) {
	if !h.up {
		return
	}
	h.inputs = append(h.inputs, in)
	h.replies = append(h.replies, reply)
	h.begin()
}

// begin has the next turn taken, one at a time.
func (h *hub) begin() {
	if h.turning {
		return
	}
	h.turning = true
	life := h.life
	h.sim.after(turnTakes, func() {
		if h.up && h.life == life {
			h.turn()
		}
	})
}

// turn takes in what waits, commits, and lets the outputs go. What comes in
// while the disk takes its time waits for the next turn.
func (h *hub) turn() {
	inputs, replies := h.inputs, h.replies
	h.inputs, h.replies = nil, nil
	delta, out := turn.Step(h.state, inputs, h.now())
	if !delta.Stored() {
		h.finish(delta, &out, replies)
		return
	}
	if h.store.slow == 0 {
		h.commit(delta, &out, replies)
		return
	}
	h.waiting = replies
	life := h.life
	h.sim.after(h.store.slow, func() {
		if h.up && h.life == life {
			h.waiting = nil
			h.commit(delta, &out, replies)
		}
	})
}

// commit stores a turn. One that can't be stored is undone.
func (h *hub) commit(delta *turn.Delta, out *turn.Outputs, replies []func(turn.Reply)) {
	rows, err := delta.Rows()
	if err != nil {
		h.sim.violate("a turn can't be stored: %v", err)
		return
	}
	if h.crashAt == BeforeCommit {
		h.replies = append(replies, h.replies...)
		h.crash()
		return
	}
	if h.store.full {
		h.sim.checker.resumed()
		refuse(replies, errors.New("the hub could not store the change"))
		h.next()
		return
	}
	if h.sim.options.Sabotage.PublishFirst {
		h.publish(out.Publish)
	}
	if !h.sim.options.Sabotage.ForgetCommits {
		h.store.commit(delta.Revision, rows, delta.Events())
	}
	h.sim.checker.committed(delta.Revision, rows, delta.Events())
	if h.crashAt == AfterCommit {
		h.replies = append(replies, h.replies...)
		h.crash()
		return
	}
	h.finish(delta, out, replies)
}

// finish folds a turn in and lets its outputs go.
func (h *hub) finish(delta *turn.Delta, out *turn.Outputs, replies []func(turn.Reply)) {
	delta.Fold()
	for _, e := range out.Events {
		h.sim.detail("hub", "%s: %s", e.Type, e.Data.Message)
	}
	h.publish(out.Publish)
	for i, reply := range replies {
		if reply == nil {
			continue
		}
		h.sim.checker.answered(out.Replies[i])
		reply(out.Replies[i])
	}
	for _, r := range out.Reach {
		h.reach(r)
	}
	for _, ask := range out.Judge {
		h.judge(ask)
	}
	h.next()
}

func (h *hub) next() {
	h.turning = false
	if len(h.inputs) > 0 {
		h.begin()
	}
}

func (h *hub) publish(messages []turn.Publish) {
	for _, m := range messages {
		h.sim.checker.published(m)
		h.broker.publish(m)
	}
}

// reach tries to connect to a balancer.
func (h *hub) reach(r turn.Reach) {
	life := h.life
	wait := 2 * h.sim.hop()
	open := h.sim.listens("", r.Address)
	if !open {
		wait = reachWithin
	}
	h.sim.after(wait, func() {
		if h.up && h.life == life {
			h.put(turn.ReachedIn{Balancer: r.Balancer, OK: open}, nil)
		}
	})
}

// message takes what an agent published, as the real shell decodes it.
func (h *hub) message(host, leaf string, payload []byte) {
	in, err := decode(host, leaf, payload)
	if err != nil {
		in = turn.RefusedIn{Host: host, Type: fleet.EventMessageRefused, Reason: fmt.Sprintf("a message on %s of %s was refused: %v", leaf, host, err)}
	}
	if a, ok := in.(turn.ActualIn); ok && h.sim.options.Sabotage.EarlyReady {
		for i := range a.Actual.Instances {
			a.Actual.Instances[i].Ready = len(a.Actual.Instances[i].Ports) > 0
		}
	}
	state := ""
	if p, ok := in.(turn.PresenceIn); ok {
		state = p.Presence.State
	}
	h.sim.checker.hears(host, state)
	if in != nil {
		h.put(in, nil)
	}
}

func decode(host, leaf string, payload []byte) (turn.Input, error) {
	switch leaf {
	case wire.LeafPresence:
		in := turn.PresenceIn{Host: host}
		_, err := wire.Open(payload, &in.Presence)
		return in, err
	case wire.LeafActual:
		in := turn.ActualIn{Host: host}
		env, err := wire.Open(payload, &in.Actual)
		in.Sequence = env.Generation
		return in, err
	case wire.LeafEvents:
		in := turn.EventsIn{Host: host}
		_, err := wire.Open(payload, &in.Batch)
		return in, err
	case wire.LeafMetrics:
		in := turn.MetricsIn{Host: host}
		_, err := wire.Open(payload, &in.Metrics)
		return in, err
	case wire.LeafResult:
		in := turn.AnswerIn{Host: host}
		_, err := wire.Open(payload, &in.Answer)
		return in, err
	}
	return nil, nil
}

// order carries a command out and lets time pass until there is an answer.
func (h *hub) order(c fleet.Command) (fleet.Result, error) {
	var answer *turn.Reply
	h.take(c, func(r turn.Reply) { answer = &r })
	for answer == nil {
		if err := h.sim.Run(turnTakes); err != nil {
			return fleet.Result{}, err
		}
	}
	return answer.Result, answer.Err
}

// take has a command from a person.
func (h *hub) take(c fleet.Command, reply func(turn.Reply)) {
	if !h.up {
		reply(turn.Reply{Err: errHubDown})
		return
	}
	c.Actor = "operator"
	if !c.DryRun {
		h.sim.checker.hasSaid(&c)
	}
	h.sim.say("operator", "%s %s%s", c.Do, c.Host, named(c))
	h.put(turn.CommandIn{Command: c}, func(r turn.Reply) {
		if r.Err == nil && !c.DryRun {
			h.sim.checker.repeated(c.ID, r.Result)
		}
		reply(r)
	})
}

// named is what an order is about, beside a host.
func named(c fleet.Command) string {
	switch {
	case !c.Service.IsZero():
		return c.Service.String()
	case c.Balancer.Host != "":
		return c.Balancer.String()
	}
	return ""
}
