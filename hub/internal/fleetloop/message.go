package fleetloop

import (
	"fmt"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Message takes what an agent published. It decodes on the caller's goroutine
// and only enqueues.
func (l *Loop) Message(host, leaf, _ string, payload []byte) {
	in, err := decode(host, leaf, payload)
	if err != nil {
		l.Enqueue(turn.RefusedIn{Host: host, Type: fleet.EventMessageRefused, Reason: fmt.Sprintf("a message on %s of %s was refused: %v", leaf, host, err)})
		return
	}
	if answer, ok := in.(turn.AnswerIn); ok {
		l.opts.Answered(host, answer.Answer)
	}
	if in != nil {
		l.Enqueue(in)
	}
}

// Refused takes note of an agent that the broker turned away.
func (l *Loop) Refused(host, reason string) {
	l.Enqueue(turn.RefusedIn{Host: host, Type: fleet.EventHostRefused, Reason: fmt.Sprintf("an agent that says it is %s was refused: %s", host, reason)})
}

func decode(host, leaf string, payload []byte) (turn.Input, error) {
	switch leaf {
	case wire.LeafPresence:
		var p fleet.Presence
		_, err := wire.Open(payload, &p)
		return turn.PresenceIn{Host: host, Presence: p}, err
	case wire.LeafActual:
		var a fleet.Actual
		env, err := wire.Open(payload, &a)
		if err == nil && a.Host != host {
			err = fleet.Invalid("payload.body.host", "is %q", a.Host)
		}
		return turn.ActualIn{Host: host, Sequence: env.Generation, Actual: a}, err
	case wire.LeafEvents:
		var b fleet.EventBatch
		_, err := wire.Open(payload, &b)
		if err == nil && b.First == 0 {
			err = fleet.Invalid("payload.body.first", "is 0")
		}
		return turn.EventsIn{Host: host, Batch: b}, err
	case wire.LeafResult:
		var a fleet.Answer
		_, err := wire.Open(payload, &a)
		return turn.AnswerIn{Host: host, Answer: a}, err
	default:
		return nil, nil
	}
}
