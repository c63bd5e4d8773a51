package fleetloop

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Message takes what an agent published. It decodes on the caller's goroutine
// and only enqueues.
func (l *Loop) Message(host, leaf, _ string, payload []byte) {
	if leaf == wire.LeafPresence && l.Again(host, payload, false) {
		return
	}
	in, err := decode(host, leaf, payload)
	if report, ok := in.(turn.ActualIn); ok && err == nil {
		err = l.machines.check(host, report.Actual.Facts.MachineID)
	}
	if err != nil {
		l.Enqueue(turn.RefusedIn{Host: host, Type: fleet.EventMessageRefused, Reason: clip(fmt.Sprintf("a message on %s of %s was refused: %v", leaf, host, err))})
		return
	}
	if beat, ok := in.(turn.PresenceIn); ok {
		l.beats.remember(host, payload, beat.Presence)
	}
	if answer, ok := in.(turn.AnswerIn); ok {
		l.opts.Answered(host, answer.Answer)
	}
	if counts, ok := in.(turn.MetricsIn); ok {
		l.count(counts)
		return
	}
	if in != nil {
		l.Enqueue(in)
	}
}

// Refused takes note of an agent that the broker turned away.
func (l *Loop) Refused(host, reason string) {
	l.Enqueue(turn.RefusedIn{Host: host, Type: fleet.EventHostRefused, Reason: clip(fmt.Sprintf("an agent that says it is %s was refused: %s", host, reason))})
}

// Slowed takes note of an agent that sends too much.
func (l *Loop) Slowed(host string, rate float64) {
	l.Enqueue(turn.RefusedIn{Host: host, Type: fleet.EventHostSlowed,
		Reason: fmt.Sprintf("the agent on %s sends more than %g messages a second, and is slowed down to that: nobody else waits for it (its log says what it does; restart it)", host, rate)})
}

// Cloned takes note of two machines that have the same credential.
func (l *Loop) Cloned(host, one, other string) {
	l.Enqueue(turn.RefusedIn{Host: host, Type: fleet.EventHostCloned,
		Reason: fmt.Sprintf("%s and %s take the session of %s from each other: its key was copied to another machine (stop that one, or let it join under an id of its own)", one, other, host)})
}

// maxReason bounds what is told of what wasn't let in, in bytes: errors quote
// what they are about.
const maxReason = 1 << 10

func clip(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "…"
}

// decode reads a message and refuses what no correct agent sends: it would go
// into the store, and from there to everybody.
func decode(host, leaf string, payload []byte) (turn.Input, error) {
	switch leaf {
	case wire.LeafPresence:
		var p fleet.Presence
		_, err := open(payload, &p)
		return turn.PresenceIn{Host: host, Presence: p}, err
	case wire.LeafActual:
		var a fleet.Actual
		env, err := open(payload, &a)
		if a.Host != "" && a.Host != host { // says more than what else may be wrong
			err = fleet.Invalid("payload.body.host", "is %q", a.Host)
		}
		return turn.ActualIn{Host: host, Sequence: env.Generation, Actual: a}, err
	case wire.LeafEvents:
		var b fleet.EventBatch
		_, err := open(payload, &b)
		return turn.EventsIn{Host: host, Batch: b}, err
	case wire.LeafMetrics:
		var m fleet.Metrics
		_, err := open(payload, &m)
		if err == nil && m.Host != host {
			err = fleet.Invalid("payload.body.host", "is %q", m.Host)
		}
		return turn.MetricsIn{Host: host, Metrics: m}, err
	case wire.LeafResult:
		var a fleet.Answer
		_, err := open(payload, &a)
		return turn.AnswerIn{Host: host, Answer: a}, err
	default:
		return nil, nil
	}
}

func open(payload []byte, body interface{ Validate() error }) (wire.Envelope, error) {
	env, err := wire.Open(payload, body)
	if err == nil {
		err = body.Validate()
	}
	return env, err
}
