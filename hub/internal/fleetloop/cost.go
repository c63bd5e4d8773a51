package fleetloop

import (
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// Turn is what a turn cost.
type Turn struct {
	Inputs   map[string]int // by kind
	Reads    int
	Waiting  int // inputs still in the queue
	Stored   bool
	Failed   bool // the commit failed
	Duration time.Duration
	// Its parts: the brain's, the store's, the bus's and the readers'.
	Plan, Commit, Publish, Read time.Duration
	Published                   int
	Events                      []fleet.Event // committed
	Ended                       []Wait
	// Behind is the number of waits for agents and balancers that go on, by
	// what for.
	Behind map[string]int
	// Tally may be read until Observe returns.
	Tally *turn.Tally
}

// Kinds of inputs, as a Turn counts them.
var Kinds = []string{"command", "presence", "actual", "events", "metrics", "answer", "reached", "refused", "tick"}

func kinds(inputs []turn.Input) map[string]int {
	counts := make(map[string]int, len(Kinds))
	for _, in := range inputs {
		counts[kindOf(in)]++
	}
	return counts
}

func kindOf(in turn.Input) string {
	switch in.(type) {
	case turn.CommandIn:
		return "command"
	case turn.PresenceIn:
		return "presence"
	case turn.ActualIn:
		return "actual"
	case turn.EventsIn:
		return "events"
	case turn.MetricsIn:
		return "metrics"
	case turn.AnswerIn:
		return "answer"
	case turn.JudgedIn:
		return "judged"
	case turn.ReachedIn:
		return "reached"
	case turn.RefusedIn:
		return "refused"
	default:
		return "tick"
	}
}
