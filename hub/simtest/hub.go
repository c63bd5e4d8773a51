package simtest

import (
	"errors"
	"fmt"
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
	state   *turn.State
	broker  *broker
	inputs  []turn.Input
	replies []func(turn.Reply) // by the index of the input; nil: nobody waits
	turning bool
	crashAt string // the point at which the next turn that stores something dies
}

func newHub(s *Sim) *hub { return &hub{sim: s, store: newStore()} }

func (h *hub) start() {
	if h.up {
		return
	}
	h.life++
	h.up = true
	h.inputs, h.replies, h.turning, h.crashAt = nil, nil, false, ""
	h.store.begin(h.sim.now)
	state, err := h.store.load(h.sim.now, h.sim.options.Turn)
	if err != nil {
		h.sim.violate("the hub can't read its own store: %v", err)
		return
	}
	h.state = state
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
	waiting := h.replies
	h.inputs, h.replies = nil, nil
	for _, reply := range waiting {
		if reply != nil {
			reply(turn.Reply{Err: errHubDown})
		}
	}
	h.broker.die()
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

// turn takes in what waits, commits, and lets the outputs go.
func (h *hub) turn() {
	inputs, replies := h.inputs, h.replies
	h.inputs, h.replies, h.turning = nil, nil, false
	delta, out := turn.Step(h.state, inputs, h.sim.now)
	if delta.Stored() && !h.commit(delta, replies) {
		return
	}
	delta.Fold()
	for _, e := range out.Events {
		h.sim.say("hub", "%s: %s", e.Type, e.Data.Message)
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
}

// commit returns false when the turn is undone, or nobody is left to go on.
func (h *hub) commit(delta *turn.Delta, replies []func(turn.Reply)) bool {
	rows, err := delta.Rows()
	if err != nil {
		h.sim.violate("a turn can't be stored: %v", err)
		return false
	}
	if h.crashAt == BeforeCommit {
		h.replies = replies
		h.crash()
		return false
	}
	if h.store.full {
		for _, reply := range replies {
			if reply != nil {
				reply(turn.Reply{Err: errors.New("the hub could not store the change")})
			}
		}
		return false
	}
	if !h.sim.options.Sabotage.ForgetCommits {
		h.store.commit(delta.Revision, rows, delta.Events())
	}
	h.sim.checker.committed(delta.Revision, rows)
	if h.crashAt == AfterCommit {
		h.replies = replies
		h.crash()
		return false
	}
	return true
}

func (h *hub) publish(messages []turn.Publish) {
	for _, m := range messages {
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
	case wire.LeafResult:
		in := turn.AnswerIn{Host: host}
		_, err := wire.Open(payload, &in.Answer)
		return in, err
	}
	return nil, nil
}

// order carries a command out and lets time pass until there is an answer.
func (h *hub) order(c fleet.Command) (fleet.Result, error) {
	if !h.up {
		return fleet.Result{}, errHubDown
	}
	h.sim.say("operator", "%s %s%s", c.Do, c.Host, c.Service)
	var answer *turn.Reply
	h.put(turn.CommandIn{Command: c}, func(r turn.Reply) { answer = &r })
	for answer == nil {
		if err := h.sim.Run(turnTakes); err != nil {
			return fleet.Result{}, err
		}
	}
	return answer.Result, answer.Err
}
