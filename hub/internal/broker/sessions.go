package broker

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// sessions holds the one connection that each client id has. A newcomer
// waits until everything of the connection that it replaces is over, its
// clean-up in the MQTT library included: the library's own takeover loses
// clients when the two overlap.
type sessions struct {
	limits map[role]int
	wait   time.Duration
	// readers counts them, for who only wants to know whether there are any.
	readers atomic.Int64
	// cloned is told of two machines that fight for one host's session.
	cloned func(host, one, other string)

	mu     sync.Mutex // guards the rest
	fights map[string]*fight
	byID   map[string]*conn
	counts map[role]int
	people map[string]int // readers, by account
	kicks  kicks
}

func newSessions(o *Options) *sessions {
	return &sessions{
		limits: map[role]int{roleAgent: o.Agents, roleReader: o.Readers},
		wait:   o.TakeoverTimeout,
		byID:   map[string]*conn{},
		fights: map[string]*fight{},
		counts: map[role]int{},
		people: map[string]int{},
	}
}

// claim makes c the connection of who, which is its own from then on. It
// blocks until the former connection of that id has ended. Who was kicked since then
// has no right to it any more.
func (s *sessions) claim(c *conn, who identity, since uint64) error {
	deadline := time.NewTimer(s.wait)
	defer deadline.Stop()
	for {
		former, err := s.tryClaim(c, who, since)
		if former == nil || err != nil {
			return err
		}
		if who.role == roleAgent {
			s.contest(former, c, who.id)
		}
		former.supersede()
		select {
		case <-former.done:
		case <-c.closed:
			return errors.New("the connection was closed while it waited for the former session to end")
		case <-deadline.C:
			return fmt.Errorf("the former session did not end within %s", s.wait)
		}
	}
}

// tryClaim returns the connection that is in the way, if one is.
func (s *sessions) tryClaim(c *conn, who identity, since uint64) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kicks.since(since, who); err != nil {
		return nil, err
	}
	former := s.byID[who.id]
	switch {
	case former != nil:
		return former, nil
	case s.counts[who.role] >= s.limits[who.role]:
		return nil, fmt.Errorf("%d clients with the role %s are connected already", s.counts[who.role], who.role)
	case who.role == roleReader && !who.anybody() && s.people[who.account()] >= max(1, s.limits[roleReader]/readersShare):
		return nil, fmt.Errorf("%d clients of %s are connected already", s.people[who.account()], who.account())
	}
	c.who = who
	s.byID[who.id] = c
	s.count(&c.who, 1)
	return nil, nil
}

// of returns an agent's connection, or nil.
func (s *sessions) of(host string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byID[host]; c != nil && c.who.role == roleAgent {
		return c
	}
	return nil
}

// ofUser returns the connections of an account and its tokens, or of one token.
func (s *sessions) ofUser(name string) (conns []*conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byID {
		if c.who.role == roleReader && (c.who.account() == name || c.who.by.Name == name) {
			conns = append(conns, c)
		}
	}
	return conns
}

// connected counts the clients by role.
func (s *sessions) connected() map[role]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// release gives the id of an ended connection back.
func (s *sessions) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.who.role != roleUnknown && s.byID[c.who.id] == c {
		delete(s.byID, c.who.id)
		s.count(&c.who, -1)
	}
}

// readersShare is the part of the places for readers that one account may have.
const readersShare = 4

// count needs mu.
func (s *sessions) count(who *identity, by int) {
	s.counts[who.role] += by
	if who.role != roleReader {
		return
	}
	s.readers.Add(int64(by))
	if s.people[who.account()] += by; s.people[who.account()] <= 0 {
		delete(s.people, who.account())
	}
}
