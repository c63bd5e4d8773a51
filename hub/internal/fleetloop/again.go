package fleetloop

import (
	"sync"
	"time"

	"github.com/musterhq/muster/hub/turn"
)

const (
	// linger is how long a sign of life that says nothing new waits for others.
	// At rest a fleet of thousands sends nothing else: one by one they would have
	// the loop take a turn for each.
	linger = 20 * time.Millisecond
	// maxLinger is how many wait at most.
	maxLinger = 1 << 10
)

// again holds signs of life that wait. Whatever else agents send goes behind them.
type again struct {
	mu      sync.Mutex // guards the rest, and the order in the queue
	waiting []turn.Input
	timer   *time.Timer // flushes; nil: none was needed yet
}

// Again takes a sign of life that says what the host's last one said, and that was
// answered or not. Any other it leaves to Message.
func (l *Loop) Again(host string, payload []byte, answered bool) bool {
	p, known := l.beats.known(host, payload)
	if !known {
		return false
	}
	l.again.mu.Lock()
	defer l.again.mu.Unlock()
	switch l.again.waiting = append(l.again.waiting, turn.PresenceIn{Host: host, Presence: p, Answered: answered}); len(l.again.waiting) {
	case 1:
		if l.again.timer == nil {
			l.again.timer = time.AfterFunc(linger, l.flush)
		} else {
			l.again.timer.Reset(linger)
		}
	case maxLinger:
		l.flushLocked()
	}
	return true
}

// flush puts into the queue what waits.
func (l *Loop) flush() {
	l.again.mu.Lock()
	defer l.again.mu.Unlock()
	l.flushLocked()
}

// flushLocked needs again.mu.
func (l *Loop) flushLocked() {
	if len(l.again.waiting) > 0 {
		l.again.timer.Stop()
		l.put(item{again: l.again.waiting})
		l.again.waiting = nil
	}
}

// put drops what finds the queue full, and reports whether it took it.
func (l *Loop) put(it item) bool {
	it.at = time.Since(l.began)
	select {
	case l.queue <- it:
		return true
	default:
		l.dropped.Add(uint64(max(1, len(it.again))))
		return false
	}
}
