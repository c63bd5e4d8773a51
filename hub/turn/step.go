package turn

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Input is something that came in. It is one of CommandIn, PresenceIn,
// ActualIn, EventsIn, MetricsIn, AnswerIn, ReachedIn, RefusedIn and Tick.
type Input interface{ input() }

// CommandIn is an order. Its reply has the same index as the input.
type CommandIn struct{ Command fleet.Command }

// PresenceIn is an agent's sign of life, or its Will.
type PresenceIn struct {
	Host     string
	Presence fleet.Presence
	// Answered: the agent has had the last acknowledgement again, and needs another
	// one only if that says something else by now.
	Answered bool
}

// ActualIn is an agent's report.
type ActualIn struct {
	Host     string
	Sequence uint64
	Actual   fleet.Actual
}

// EventsIn are events of an agent's.
type EventsIn struct {
	Host  string
	Batch fleet.EventBatch
}

// MetricsIn is what the balancers of a host count, for pools that ask for it.
type MetricsIn struct {
	Host    string
	Metrics fleet.Metrics
}

// AnswerIn is an agent's answer to a question.
type AnswerIn struct {
	Host   string
	Answer fleet.Answer
}

// ReachedIn says whether the hub itself could connect to a balancer.
type ReachedIn struct {
	Balancer fleet.BalancerKey
	OK       bool
}

// RefusedIn is something that wasn't let in, or not at once: a damaged message,
// an agent that pretends to be another, one that sends too much.
type RefusedIn struct {
	Host   string
	Type   string // an event's type
	Reason string
}

// Tick lets time pass.
type Tick struct {
	// Behind is how long what isn't taken in yet has waited at most: a host whose
	// signs of life are among that isn't silent.
	Behind time.Duration
}

func (CommandIn) input()  {}
func (PresenceIn) input() {}
func (ActualIn) input()   {}
func (EventsIn) input()   {}
func (MetricsIn) input()  {}
func (AnswerIn) input()   {}
func (ReachedIn) input()  {}
func (RefusedIn) input()  {}
func (Tick) input()       {}

// Outputs go out once the delta is committed and folded.
type Outputs struct {
	Publish []Publish
	Replies map[int]Reply // by the index of the input
	Reach   []Reach
	Judge   []JudgeAsk
	Events  []fleet.Event
	Change  fleet.Change
	// Gone are the hosts that have left the fleet in this turn, in the order in which
	// they did: what let them in is void.
	Gone []string
}

// Publish is one MQTT message. An empty retained payload clears the topic.
type Publish struct {
	Topic   string
	Payload []byte
	Retain  bool
}

// Reply answers one command.
type Reply struct {
	Result fleet.Result
	Err    error
	Repeat bool // the answer is that to the first command with this id; nothing was done now
}

// Reach asks the hub's shell to try a TCP connection; it answers ReachedIn.
type Reach struct {
	Balancer fleet.BalancerKey
	Address  string
}

// Step works through the inputs in order, plans what they touch, and returns
// what changes. The state isn't changed: the caller commits delta, then calls
// Fold. A delta that is dropped leaves no trace.
func Step(s *State, inputs []Input, now time.Time) (*Delta, Outputs) {
	t := begin(s, now)
	var ticks *Tick
	for i, in := range inputs {
		switch in := in.(type) {
		case CommandIn:
			t.command(i, in.Command)
		case PresenceIn:
			t.presence(in.Host, in.Presence, in.Answered)
		case ActualIn:
			t.actual(in.Host, in.Sequence, in.Actual)
		case EventsIn:
			t.agentEvents(in.Host, in.Batch)
		case MetricsIn:
			t.metrics(in)
		case AnswerIn:
			t.answer(in.Host, in.Answer)
		case ReachedIn:
			t.reached(in.Balancer, in.OK)
		case RefusedIn:
			t.refused(in)
		case JudgedIn:
			t.judged(in)
		case Tick:
			ticks = &in
		}
	}
	if ticks != nil { // last: who was heard in this turn isn't silent
		t.tick(ticks.Behind)
	}
	t.settle()
	t.plan()
	t.departures(ticks != nil)
	return t.finish()
}

// Boot returns what a hub publishes when it has started: everything, as it
// was last published. The state remembers what services were told to be.
func Boot(s *State) []Publish {
	t := begin(s, s.Started)
	for _, host := range t.hosts.keys(byText) {
		t.sendAll(host)
	}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		now := t.status(key)
		t.told.put(key, now)
		t.sendStatus(key, now)
	}
	(&Delta{state: s, tables: t.tables, epoch: s.Epoch, Revision: s.Revision}).Fold()
	t.out.Publish = append(t.out.Publish, t.hubState())
	return t.out.Publish
}
