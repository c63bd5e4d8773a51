package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Left is the host that has left the fleet by what is kept, and whether the hub has
// confirmed it: then nothing is left to do. Empty: none has.
func (c *Cache) Left() (host string, confirmed bool) {
	var desired fleet.Desired
	if _, err := wire.Open(c.Desired, &desired); err != nil {
		return "", false
	}
	if _, problem := readDesired(desired.Host, c.Desired); problem != "" || desired.Leave == "" {
		return "", false
	}
	return desired.Host, c.LeaveConfirmed
}

// Rejoin makes of what is kept what a host has that joins anew: it was told nothing
// yet. What is known of its containers stays.
func (c *Cache) Rejoin() {
	c.Lineage, c.Desired, c.Pools, c.PoolsComplete, c.LeaveConfirmed = "", nil, nil, false, false
}

// leaving is how far the host is on its way out of the fleet, once it has accepted
// that it is.
type leaving struct {
	asked     bool // the shell was told to withdraw
	withdrawn bool // and has done so
	beatAt    time.Time
}

// left: the host was told to leave the fleet, and that is on disk. It is final.
func (s *State) left() bool { return s.accepted != nil && s.accepted.desired.Leave != "" }

// leave does what is left to do: the balancers are seen to, and then the hub is told
// until it has confirmed it. Nothing is planned, probed or reported any more.
func (s *State) leave(out *Outputs, now time.Time) {
	v := &s.leaving
	if len(s.report.probes) > 0 {
		s.report.probes = nil
		out.ProbesChanged = true
	}
	if !v.asked {
		v.asked = true
		out.Withdraw = s.accepted.desired.Leave
	}
	if s.cache.LeaveConfirmed {
		out.Gone = true
		return
	}
	if !v.withdrawn || s.session == "" {
		return
	}
	if r := &s.report; v.beatAt.IsZero() || !now.Before(v.beatAt.Add(s.config.Timing.Heartbeat)) {
		presence := s.Presence(fleet.PresenceLeft)
		r.beat++
		v.beatAt = now
		out.Presence, out.Beat = &presence, r.beat
	}
}

// confirmed takes the hub's word that it has forgotten the host.
func (s *State) confirmed(now time.Time) {
	if s.left() && !s.cache.LeaveConfirmed {
		s.cache.LeaveConfirmed = true
		s.saveNow(now)
	}
}

// leaveDue is when the hub is told again; zero: nobody waits for time to pass.
func (s *State) leaveDue() time.Time {
	if !s.left() || !s.leaving.withdrawn || s.session == "" || s.cache.LeaveConfirmed {
		return time.Time{}
	}
	return s.leaving.beatAt.Add(s.config.Timing.Heartbeat)
}
