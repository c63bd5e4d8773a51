package people

import (
	"container/list"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	freeAttempts  = 5               // wrong ones before the first pause
	firstPause    = 2 * time.Second // doubled by each further wrong one
	longestPause  = 5 * time.Minute
	forgotten     = 15 * time.Minute // a wrong attempt after which no other follows
	attemptsKnown = 10_000           // names, addresses and pairs of them that are remembered, each
)

// attempts slow down who guesses. A wrong password counts against its address,
// against the name, and against both together. After five of them there is a pause
// before the next is looked at, twice as long each time, five minutes at most.
//
// The pause of an address holds for everything that comes from there. The pause of
// a name holds only for addresses from which that name was tried wrongly before:
// so whoever guesses from many addresses has one attempt from each, and whoever has
// the right password and comes from an address that did nothing wrong is always let
// in, however long somebody else guesses. A right password takes back what was
// wrong with that name at that address, and nothing that was wrong with others.
//
// All tables are bounded; of a full one the entry that was tried longest ago goes.
type attempts struct {
	mu        sync.Mutex // guards the tables
	addresses strikes
	names     strikes
	pairs     strikes
}

func newAttempts() *attempts {
	return &attempts{addresses: newStrikes(), names: newStrikes(), pairs: newStrikes()}
}

// pause is how long nothing is looked at that comes with this name from there.
func (a *attempts) pause(name, from string, now time.Time) time.Duration {
	from = network(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := a.addresses.pause(from, now)
	if a.pairs.count(pair(name, from), now) > 0 {
		wait = max(wait, a.names.pause(name, now))
	}
	return wait
}

// wrong counts an attempt that failed.
func (a *attempts) wrong(name, from string, now time.Time) {
	from = network(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.addresses.add(from, 1, now)
	a.names.add(name, 1, now)
	a.pairs.add(pair(name, from), 1, now)
}

// right takes back what failed before with this name from there.
func (a *attempts) right(name, from string, now time.Time) {
	from = network(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.pairs.count(pair(name, from), now)
	a.pairs.add(pair(name, from), -n, now)
	a.addresses.add(from, -n, now)
	a.names.add(name, -n, now)
}

func pair(name, from string) string { return name + "\x00" + from }

// network is an address, or of IPv6 the network: each machine has a whole one.
func network(from string) string {
	addr, err := netip.ParseAddr(from)
	if err != nil {
		return fleet.Clip(from, 80)
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return prefix.String()
}

// tooMany tells somebody to wait.
func tooMany(wait time.Duration) error {
	wait = wait.Round(time.Second)
	if wait < time.Second {
		wait = time.Second
	}
	return (&fleet.Error{
		Code:    fleet.CodeUnavailable,
		Message: fmt.Sprintf("too many attempts, try again in %s", fleet.Duration(wait)),
	}).WithHint("what is tried meanwhile isn't looked at, and doesn't count")
}

// strikes is one bounded table of what was wrong.
type strikes struct {
	by    map[string]*list.Element
	order *list.List // of *strike, the one that was tried last first
}

type strike struct {
	key   string
	count int
	last  time.Time
	until time.Time
}

func newStrikes() strikes { return strikes{by: map[string]*list.Element{}, order: list.New()} }

func (s *strikes) get(key string, now time.Time) *strike {
	element := s.by[key]
	if element == nil {
		return nil
	}
	found := element.Value.(*strike)
	if now.Sub(found.last) > forgotten {
		s.order.Remove(element)
		delete(s.by, key)
		return nil
	}
	return found
}

func (s *strikes) count(key string, now time.Time) int {
	if found := s.get(key, now); found != nil {
		return found.count
	}
	return 0
}

func (s *strikes) pause(key string, now time.Time) time.Duration {
	if found := s.get(key, now); found != nil && found.count >= freeAttempts && found.until.After(now) {
		return found.until.Sub(now)
	}
	return 0
}

func (s *strikes) add(key string, n int, now time.Time) {
	found := s.get(key, now)
	if found == nil {
		if n <= 0 {
			return
		}
		found = &strike{key: key}
		s.by[key] = s.order.PushFront(found)
	}
	element := s.by[key]
	if found.count += n; found.count <= 0 {
		s.order.Remove(element)
		delete(s.by, key)
		return
	}
	if n < 0 {
		return
	}
	s.order.MoveToFront(element)
	found.last = now
	if over := found.count - freeAttempts; over >= 0 {
		found.until = now.Add(min(longestPause, firstPause<<min(over, 20)))
	}
	for len(s.by) > attemptsKnown {
		oldest := s.order.Back()
		s.order.Remove(oldest)
		delete(s.by, oldest.Value.(*strike).key)
	}
}
