package simtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// restless is how many things may happen without time passing.
const restless = 100_000

// orderPrefix begins the id of every order.
const orderPrefix = "order-"

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
	walls     map[[2]string]bool        // hosts that don't reach each other
	bad       map[fleet.ServiceKey]bool // services that can't get there
	again     string                    // what to make to see it again
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
		walls:   map[[2]string]bool{},
		bad:     map[fleet.ServiceKey]bool{},
		again:   "sim",
	}
	s.checker = newChecker(s)
	s.clients = &clients{sim: s, counts: map[fleet.ServiceKey]*Traffic{}}
	s.hub = newHub(s)
	s.hub.start()
	s.checker.words()
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
	s.violation = s.fail(fmt.Errorf("%w: "+format, append([]any{ErrViolated}, args...)...))
}

// fail adds to what went wrong the story of how it came to that.
func (s *Sim) fail(what error) error {
	return fmt.Errorf("%w\nseed %d, to see all of it: make %s SEED=%d\n%s", what, s.options.Seed, s.again, s.options.Seed, s.about(what.Error(), s.isName))
}

// isName says whether a word names an instance, a service or a host.
func (s *Sim) isName(word string) bool {
	_, service := s.checker.services[serviceKey(word)]
	return service || s.checker.names[word] != "" || s.hosts[word] != nil
}

func serviceKey(word string) fleet.ServiceKey {
	name, _ := strings.CutPrefix(word, project+"/")
	return fleet.ServiceKey{Project: project, Name: name}
}

// ErrViolated says that something happened that must never happen.
var ErrViolated = errors.New("an invariant is violated")

// say tells what is done to the fleet, and detail what that makes of it.
func (s *Sim) say(who, format string, args ...any) { s.tell(s.now, false, who, format, args...) }

func (s *Sim) detail(who, format string, args ...any) { s.tell(s.now, true, who, format, args...) }

// hop is how long a message travels.
func (s *Sim) hop() time.Duration {
	n := s.options.Network
	return s.chance("network").between(n.Delay, n.Delay+n.Jitter)
}

// Order gives the hub a command and lets time pass until it answers.
func (s *Sim) Order(c fleet.Command) (fleet.Result, error) {
	c.ID = s.nextOrder()
	return s.hub.order(c)
}

func (s *Sim) nextOrder() string {
	s.commands++
	return orderPrefix + strconv.Itoa(s.commands)
}

// send gives the hub a command and waits for nothing.
func (s *Sim) send(c fleet.Command) {
	c.ID = s.nextOrder()
	s.hub.take(c, func(turn.Reply) {})
}
