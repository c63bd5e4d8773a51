package crowd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// agent is one of the crowd.
type agent struct {
	options *Options
	host    string
	source  net.IP // the address of its machine's
	entry   *entry // nil: it connects in plain
	facts   fleet.HostFacts
	start   string // of the agent

	mu       sync.Mutex  // guards the rest
	tls      *tls.Config // nil: it hasn't joined
	conn     *line       // nil: none
	session  string
	sessions int
	began    time.Time // of the session
	heardAt  time.Time // the first echo of the session
	echoedAt time.Time // the last one
	next     *time.Timer
	packet   uint16
	beats    uint64
	askedAt  time.Time     // the first sign of life that has no echo yet
	watched  bool          // the slowest echo is looked for
	slowest  time.Duration // since then

	observed  fleet.Observed
	pools     map[fleet.ServiceKey]uint64
	instances []fleet.InstanceActual
	foreign   int64

	sequence     uint64 // of the last report
	sentAt       time.Time
	repeated     bool
	acknowledged uint64
	settledAt    time.Time
	reachedAt    time.Time // when the desired state was accepted
	reachedBy    uint64    // the first report that says so
	confirmedAt  time.Time
}

func newAgent(o *Options, e *entry, number int) *agent {
	host := fmt.Sprintf("sim-%05d", number)
	return &agent{
		options: o, entry: e, host: host, source: source(number),
		facts: Facts(host), start: random(), pools: map[fleet.ServiceKey]uint64{}, foreign: 1 << 30,
	}
}

// source is the address of an agent's machine, one of this machine's loopback: the
// hub bounds what one address may do.
func source(number int) net.IP {
	return net.IPv4(127, byte(16+number>>16), byte(number>>8), byte(number))
}

func random() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// run joins, and then connects again and again, until ctx is done.
func (a *agent) run(ctx context.Context) {
	if a.entry != nil {
		config, err := a.entry.join(ctx, a.host)
		if err != nil {
			a.entry.hadTrouble(err)
			return
		}
		a.mu.Lock()
		a.tls = config
		a.mu.Unlock()
	}
	for failures := 0; ctx.Err() == nil; {
		select {
		case <-time.After(a.options.pause(failures)):
		case <-ctx.Done():
			return
		}
		_ = a.serve(ctx) // it ends only by an error, and the next session tells by itself how it went
		a.mu.Lock()
		a.conn = nil
		heard := !a.heardAt.IsZero()
		a.heardAt = time.Time{}
		a.mu.Unlock()
		failures++
		if heard {
			failures = 1
		}
	}
}

// pause is that of a real agent.
func (o *Options) pause(failures int) time.Duration {
	upper := o.ReconnectFirst
	for ; failures > 1 && upper < o.ReconnectMax; failures-- {
		upper *= 2
	}
	upper = min(upper, o.ReconnectMax)
	return o.ReconnectMin + time.Duration(mathrand.Int64N(int64(upper-o.ReconnectMin)+1))
}

// cut breaks the connection as if its cable were pulled and the peer told.
func (a *agent) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched = false
	if a.conn != nil {
		_ = a.conn.tcp.SetLinger(0) // a reset, not an end in order
		_ = a.conn.Close()
	}
}

// watch begins to look for the slowest echo.
func (a *agent) watch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched, a.slowest, a.askedAt = true, 0, time.Time{}
}

func (a *agent) addTo(s *State, generation uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Agents++
	s.Sessions += a.sessions
	if a.tls != nil {
		s.Joined++
	}
	if a.watched {
		s.Watched++
		s.Slowest = max(s.Slowest, a.slowest)
		if !a.askedAt.IsZero() {
			s.Slowest = max(s.Slowest, time.Since(a.askedAt))
		}
	}
	if a.conn != nil {
		s.Connected++
	}
	if !a.heardAt.IsZero() {
		s.Heard, s.HeardAt = s.Heard+1, later(s.HeardAt, a.heardAt)
	}
	if a.observed.Generation >= generation {
		s.Reached, s.ReachedAt = s.Reached+1, later(s.ReachedAt, a.reachedAt)
		if a.acknowledged >= a.reachedBy {
			s.Confirmed, s.ConfirmedAt = s.Confirmed+1, later(s.ConfirmedAt, a.confirmedAt)
		}
	}
	if a.sequence > 0 && a.acknowledged == a.sequence {
		s.Settled, s.SettledAt = s.Settled+1, later(s.SettledAt, a.settledAt)
	}
}
