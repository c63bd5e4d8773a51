package simtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// restless is how many things may happen without time passing.
const restless = 100_000

// lineage names the one hub's store.
const lineage = "simulated"

// Sim is a fleet in virtual time.
type Sim struct {
	clock
	*story
	options   Options
	dice      map[string]*dice // by what they are for
	hub       *hub
	hosts     map[string]*host
	names     []string // of hosts, in the order in which they came
	checker   *checker
	clients   *clients
	images    map[string]*image
	commands  int
	violation error
}

// New makes a fleet of a hub and no hosts.
func New(options Options) *Sim {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &Sim{
		clock:   clock{now: start},
		story:   newStory(start),
		options: options,
		dice:    map[string]*dice{},
		hosts:   map[string]*host{},
		images:  map[string]*image{},
	}
	s.checker = newChecker(s)
	s.clients = &clients{sim: s, counts: map[fleet.ServiceKey]*Traffic{}}
	s.hub = newHub(s)
	s.hub.start()
	return s
}

// Run lets time pass. An error says what was violated, with the story so far.
func (s *Sim) Run(d time.Duration) error {
	end := s.now.Add(d)
	at, count := s.now, 0
	for s.violation == nil && s.next(end) {
		if !s.now.Equal(at) {
			at, count = s.now, 0
		}
		count++
		if count > restless {
			s.violate("it never comes to rest: %d things happened without time passing", count)
		}
	}
	return s.violation
}

// violate ends the run.
func (s *Sim) violate(format string, args ...any) {
	if s.violation != nil {
		return
	}
	s.say("checker", "VIOLATED: "+format, args...)
	s.violation = fmt.Errorf("%w: seed %d: %s\n%s", ErrViolated, s.options.Seed, fmt.Sprintf(format, args...), s.text())
}

// ErrViolated says that something happened that must never happen.
var ErrViolated = errors.New("an invariant is violated")

func (s *Sim) say(who, format string, args ...any) { s.tell(s.now, who, format, args...) }

// hop is how long a message travels.
func (s *Sim) hop() time.Duration {
	n := s.options.Network
	return s.chance("network").between(n.Delay, n.Delay+n.Jitter)
}

// Order gives the hub a command and lets time pass until it answers.
func (s *Sim) Order(c fleet.Command) (fleet.Result, error) {
	s.commands++
	c.ID = fmt.Sprintf("order-%d", s.commands)
	c.Actor = "operator"
	return s.hub.order(c)
}
