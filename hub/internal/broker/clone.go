package broker

import "time"

// Two machines with one credential take the session from each other again and
// again. One that comes back under another address does it once.
const (
	fightWithin = time.Minute
	fightTimes  = 3       // takeovers to the other address
	maxFights   = 1 << 12 // hosts; they are forgotten when they are over
	toldEvery   = time.Minute
)

// fight is how often a host's session went from one address to another lately.
type fight struct {
	since time.Time
	times int
	told  time.Time
}

// contest counts a takeover of a living session from another address.
func (s *sessions) contest(former, c *conn, host string) {
	one, other := former.address(), c.address()
	if one == other {
		return
	}
	s.mu.Lock()
	now := time.Now()
	f := s.fights[host]
	if f == nil || now.Sub(f.since) > fightWithin {
		s.forgetFights(now)
		f = &fight{since: now}
		s.fights[host] = f
	}
	f.times++
	tell := f.times >= fightTimes && now.Sub(f.told) >= toldEvery
	if tell {
		f.told, f.since = now, now
	}
	s.mu.Unlock()
	if tell {
		s.cloned(host, one, other)
	}
}

// forgetFights needs mu.
func (s *sessions) forgetFights(now time.Time) {
	if len(s.fights) < maxFights {
		return
	}
	for host, f := range s.fights {
		if now.Sub(f.since) > fightWithin {
			delete(s.fights, host)
		}
	}
	if len(s.fights) >= maxFights {
		clear(s.fights)
	}
}
