package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/musterhq/muster/shared/wire"
)

// confirmation ends the flight of a message.
type confirmation struct {
	topic  string
	serial uint64
	err    error
}

// session is one connection. Its fields belong to the goroutine that runs
// Link.session.
type session struct {
	link      *Link
	id        string
	peer      *peer
	inbox     *inbox
	inFlight  map[string]uint64 // serials by topic
	confirmed chan confirmation
	since     time.Time
	leaving   bool // the farewell is in the outbox
}

// session connects, serves until something ends it, and cleans up. A nil
// error means a farewell that was confirmed.
func (l *Link) session(ctx context.Context, id string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{
		link:      l,
		id:        id,
		inbox:     newInbox(l.options.MaxInbox),
		inFlight:  map[string]uint64{},
		confirmed: make(chan confirmation, l.options.MaxInFlight),
	}
	l.echoed.Store(nil)
	will, payload := l.options.Will(id)
	var err error
	if s.peer, err = l.connect(ctx, s.inbox, will, payload); err != nil {
		return err
	}
	s.since = time.Now()
	l.options.Logger.Info("hub connected", "server", l.options.Server, "session", id)
	l.outbox.forgetRetained()
	l.options.OnConnected(id)

	var reading sync.WaitGroup
	reading.Go(func() { s.read(ctx) })
	if err = s.serve(ctx); err == nil || errors.Is(err, errAgain) {
		s.peer.leave()
	} else {
		s.peer.drop()
	}
	cancel()
	reading.Wait()
	l.options.OnDisconnected(err)
	return err
}

// read hands over what was received.
func (s *session) read(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.inbox.wake:
		}
		for ctx.Err() == nil {
			m, ok := s.inbox.take()
			if !ok {
				break
			}
			s.link.options.OnMessage(m.topic, m.payload)
		}
	}
}

// serve sends until the session has to end and says why.
func (s *session) serve(ctx context.Context) error {
	watchdog := time.NewTimer(s.link.options.Watchdog)
	defer watchdog.Stop()
	stopping := s.link.stopping
	for {
		s.send(ctx)
		if s.leaving && s.link.outbox.empty() {
			s.link.setParted()
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stopping:
			stopping = nil
			continue
		case <-s.link.again:
			return errAgain
		case err := <-s.peer.lost:
			return fmt.Errorf("connection lost: %w", err)
		case <-s.link.outbox.wake:
		case c := <-s.confirmed:
			delete(s.inFlight, c.topic)
			if c.err != nil {
				return fmt.Errorf("message not confirmed: %w", c.err)
			}
			s.link.outbox.confirm(c.topic, c.serial)
		case <-watchdog.C:
			left := s.link.options.Watchdog - time.Since(s.lastEcho())
			if left <= 0 {
				return fmt.Errorf("the hub has not answered for %s", s.link.options.Watchdog)
			}
			watchdog.Reset(left)
		}
	}
}

// send puts what waits in flight. A topic has one message in flight at a
// time, so that they arrive in order. When the link is stopping and nothing
// else waits, the farewell follows.
func (s *session) send(ctx context.Context) {
	if !s.leaving && s.link.isStopping() && s.link.outbox.empty() {
		s.leaving = true
		s.link.putFarewell()
	}
	for len(s.inFlight) < s.link.options.MaxInFlight {
		m, ok := s.link.outbox.next(s.inFlight)
		if !ok {
			return
		}
		s.inFlight[m.topic] = m.serial
		s.link.workers.Go(func() {
			s.confirmed <- confirmation{topic: m.topic, serial: m.serial, err: s.peer.publish(ctx, m, s.link.options.ConfirmTimeout)}
		})
	}
}

func (s *session) lastEcho() time.Time {
	if echo := s.link.echoed.Load(); echo != nil && echo.After(s.since) {
		return *echo
	}
	return s.since
}

func (l *Link) putFarewell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outbox.putLast(l.farewell.topic, l.farewell.payload)
}

func (l *Link) setParted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parted = true
}

// publish waits until the broker has confirmed m, where it is to be confirmed.
func (p *peer) publish(ctx context.Context, m message, timeout time.Duration) error {
	token := p.client.Publish(m.topic, assurance(m.topic), m.retain, m.payload)
	return wait(ctx, token, timeout)
}

// assurance is a message's QoS. Nobody waits for counts, the next ones say more;
// and a hub of a release that doesn't know them drops them then, where it would
// end the session of an agent that wants them confirmed.
func assurance(topic string) byte {
	if _, leaf, _, _ := wire.HostTopic(topic); leaf == wire.LeafMetrics {
		return 0
	}
	return 1
}

func wait(ctx context.Context, token mqtt.Token, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errors.New("no answer in time")
	}
}
