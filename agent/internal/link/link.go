package link

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Link is the agent's connection to the hub.
type Link struct {
	options Options
	address string
	outbox  *outbox
	echoed  atomic.Pointer[time.Time] // the last Echo, nil before the first of a session
	workers sync.WaitGroup            // what may outlast a session by a write timeout

	abort    context.Context // done when Stop has run out of time
	abortNow context.CancelFunc
	stopping chan struct{} // closed by the first Stop
	again    chan struct{} // asks for another connection
	ended    chan struct{} // closed when Run has returned

	mu       sync.Mutex // guards the rest
	started  bool
	stopped  bool
	farewell message // what Stop publishes last
	parted   bool    // the farewell was confirmed
}

// New prepares a link. It starts nothing.
func New(options Options) (*Link, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	address, err := options.address()
	if err != nil {
		return nil, err
	}
	l := &Link{
		options:  options,
		address:  address,
		outbox:   newOutbox(options.MaxTopics),
		stopping: make(chan struct{}),
		again:    make(chan struct{}, 1),
		ended:    make(chan struct{}),
	}
	l.abort, l.abortNow = context.WithCancel(context.Background())
	return l, nil
}

// Run keeps the link up until Stop or until ctx is done, and returns nil
// then. When ctx ends it the hub hears the Will, as if the agent had died.
// Run can be called once.
func (l *Link) Run(ctx context.Context) error {
	l.mu.Lock()
	again := l.started
	l.started = true
	l.mu.Unlock()
	if again {
		return errors.New("run link: it was started before")
	}
	defer close(l.ended)
	defer l.workers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.abort, cancel)()

	for failures := 0; ; {
		session := newSessionID()
		err := l.session(ctx, session)
		if ctx.Err() != nil || l.isStopping() {
			return nil
		}
		if errors.Is(err, errAgain) {
			failures = 0
			continue
		}
		failures++
		if l.echoed.Load() != nil {
			failures = 1
		}
		pause := l.options.pause(failures)
		l.options.Logger.Warn("hub not connected", "server", l.options.Server,
			"session", session, "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		case <-l.stopping:
			return nil
		}
	}
}

// Set has payload sent to topic, one of the host's own, as soon as possible.
// It replaces what waits for the topic, and is sent again after a reconnect
// until the broker confirms it; but what is to be retained is this session's,
// and set anew when the next one begins. It never blocks; payload must not be
// changed afterwards. An error means that it will not be sent.
func (l *Link) Set(topic string, payload []byte, retain bool) error {
	err := l.options.sendable(topic, payload)
	if err == nil {
		err = l.outbox.put(topic, payload, retain)
	}
	if err != nil {
		return fmt.Errorf("send to the hub: %w", err)
	}
	return nil
}

// Echo says that the hub has answered. Without it for Options.Watchdog the
// session is given up: a broker may be there while the hub behind it is not.
func (l *Link) Echo() {
	now := time.Now()
	l.echoed.Store(&now)
}

// Stop sends what waits, then payload, retained, as the last message, waits
// until the broker has confirmed it, disconnects and ends Run. The Will is
// not published then. It returns an error when payload could not be
// delivered; Run ends nevertheless, when ctx is done at the latest. Further
// calls wait for the first one's end.
func (l *Link) Stop(ctx context.Context, topic string, payload []byte) error {
	if err := l.options.sendable(topic, payload); err != nil {
		return fmt.Errorf("stop link: %w", err)
	}
	l.mu.Lock()
	if !l.stopped {
		l.stopped = true
		l.farewell = message{topic: topic, payload: payload}
		l.outbox.close()
		close(l.stopping)
	}
	started := l.started
	l.mu.Unlock()
	if !started {
		return errors.New("stop link: it was not started")
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
		l.abortNow()
		<-l.ended
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.parted {
		return errors.New("stop link: the last message was not confirmed by the hub's broker")
	}
	return nil
}

// errAgain ends a session in order, for the next one at once.
var errAgain = errors.New("another connection was asked for")

// Again ends the connection in order and makes another one at once: it has another
// certificate. The hub doesn't take it for lost.
func (l *Link) Again() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

func (l *Link) isStopping() bool {
	select {
	case <-l.stopping:
		return true
	default:
		return false
	}
}

func newSessionID() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
