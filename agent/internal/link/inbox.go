package link

import (
	"sync"

	"github.com/musterhq/muster/shared/wire"
)

// received is a message of the hub's.
type received struct {
	topic   string
	payload []byte
}

// inbox holds what one session has received and not handed over yet. The
// newest of a topic replaces an older one, except for asks, each of which
// wants its own answer.
type inbox struct {
	limit int
	wake  chan struct{} // holds one token after something was put

	mu      sync.Mutex // guards the rest
	queue   []*received
	byTopic map[string]*received
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, wake: make(chan struct{}, 1), byTopic: map[string]*received{}}
}

// put never blocks. It returns false when the inbox is full and the message
// is lost.
func (i *inbox) put(topic string, payload []byte) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if older := i.byTopic[topic]; older != nil {
		older.payload = payload
		return true
	}
	if len(i.queue) >= i.limit {
		return false
	}
	m := &received{topic: topic, payload: payload}
	i.queue = append(i.queue, m)
	if _, leaf, _, _ := wire.HostTopic(topic); leaf != wire.LeafAsk {
		i.byTopic[topic] = m
	}
	select {
	case i.wake <- struct{}{}:
	default:
	}
	return true
}

func (i *inbox) take() (received, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.queue) == 0 {
		return received{}, false
	}
	m := i.queue[0]
	i.queue = i.queue[1:]
	if i.byTopic[m.topic] == m {
		delete(i.byTopic, m.topic)
	}
	return *m, true
}
