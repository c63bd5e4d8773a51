package link

import (
	"errors"
	"fmt"
	"sync"
)

var errStopping = errors.New("the link is stopping")

// message is one that waits to be sent or confirmed. Its serial tells it
// from older ones of its topic.
type message struct {
	topic   string
	payload []byte
	retain  bool
	serial  uint64
}

// outbox has one place for each topic: what is put there replaces what
// waited. A message stays until it is confirmed.
type outbox struct {
	limit int
	wake  chan struct{} // holds one token after something was put

	mu     sync.Mutex // guards the rest
	order  []string   // topics in the order in which they came to wait
	slots  map[string]message
	serial uint64
	closed bool
}

func newOutbox(limit int) *outbox {
	return &outbox{limit: limit, wake: make(chan struct{}, 1), slots: map[string]message{}}
}

func (o *outbox) put(topic string, payload []byte, retain bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errStopping
	}
	return o.set(topic, payload, retain)
}

// set needs mu.
func (o *outbox) set(topic string, payload []byte, retain bool) error {
	if _, waits := o.slots[topic]; !waits {
		if len(o.slots) >= o.limit {
			return fmt.Errorf("%d topics wait to be sent already", o.limit)
		}
		o.order = append(o.order, topic)
	}
	o.serial++
	o.slots[topic] = message{topic: topic, payload: payload, retain: retain, serial: o.serial}
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// next returns the message that waits longest, of those whose topic is not
// in flight.
func (o *outbox) next(inFlight map[string]uint64) (message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, topic := range o.order {
		if _, flies := inFlight[topic]; !flies {
			return o.slots[topic], true
		}
	}
	return message{}, false
}

// confirm removes a message, unless a newer one has taken its place.
func (o *outbox) confirm(topic string, serial uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.slots[topic].serial == serial {
		o.remove(topic)
	}
}

// forgetRetained removes what waits and says how things are: in a session that
// begins that is told anew, and what was true in the last one would come first.
func (o *outbox) forgetRetained() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for topic, m := range o.slots {
		if m.retain {
			o.remove(topic)
		}
	}
}

// remove needs mu.
func (o *outbox) remove(topic string) {
	if _, waits := o.slots[topic]; !waits {
		return
	}
	delete(o.slots, topic)
	for i, other := range o.order {
		if other == topic {
			o.order = append(o.order[:i], o.order[i+1:]...)
			return
		}
	}
}

// close refuses all further messages.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// putLast adds the one message that a closed outbox takes.
func (o *outbox) putLast(topic string, payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(topic)
	o.limit++
	_ = o.set(topic, payload, true) // there is room: the limit was just raised
}

func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.slots) == 0
}
