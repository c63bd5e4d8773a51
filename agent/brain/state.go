package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// State is a brain's memory. One goroutine owns it.
type State struct {
	config Config
	cache  Cache
	turn   uint64
	wakeAt time.Time // the last step's Outputs.Wake

	// What the hub asked for.
	accepted *accepted
	assigned map[string]*fleet.Assignment
	pools    map[fleet.ServiceKey]acceptedPool
	refused  map[string]string // version key -> why
	// preparations are those of the accepted desired state, and others of which
	// something is under way; by version key.
	preparations map[string]*preparation
	lastRefusal  string
	lineage      string   // of the hub that this agent follows; empty: none yet
	incoming     incoming // newer than what counts, and not in a write yet
	written      incoming // in the write under way

	// What the engine said.
	engine     fleet.EngineStatus
	listed     bool // once at least
	listTurn   uint64
	silent     bool // it couldn't be listed since the last listing
	outage     bool // the current listing is the first after a silence
	unmatched  bool // the listing is yet to be compared with the instances
	containers []Container
	hub        string              // the lineage of the hub that answers; empty: not known
	signalled  map[string][]signal // what others sent to containers lately

	instances map[string]*instance
	facts     fleet.HostFacts
	advertise string // the address that others reach this host at; empty: not known
	bind      string
	located   bool // advertise isn't from the last start
	foreign   fleet.Foreign
	listened  map[int]bool // ports of our balancers at the last reading
	balancers map[string]fleet.BalancerActual

	fetches    map[string]*fetch // images that people asked for, by question; nil: none
	cleaning   *cleaning         // the round under way; nil: none
	cleanAfter time.Time         // no round begins by itself before
	answers    []fleet.Answer    // of this step

	saving   saving
	stages   []Stage // of this step
	session  string
	report   reporting
	outbox   outbox
	metering metering
	leaving  leaving
	born     time.Time
}

// signal is one that somebody else sent to a container.
type signal struct {
	number int
	at     time.Time
}

// instance is what is known of one instance beyond its record.
type instance struct {
	id  string
	rec *Record

	container *Container // as last seen; nil: none
	op        *Op        // outstanding
	settled   uint64     // turn in which the last operation ended
	unsure    bool       // a listing after settled has yet to come

	run         string // container and start, while it runs
	runSince    time.Time
	oursRun     bool // this agent started it
	found       bool // it ran when the agent that lost its memory first saw it
	ready       bool
	passes      int
	falls       int
	probed      bool
	probeReason string
	died        string // the run that the engine said to have died
	diedTurn    uint64 // in which that was heard

	exited      string // the last run that was seen to have ended
	interrupted bool   // it ended with the machine or the engine, not by itself
	decided     string // the run whose end was decided upon
	ended       bool
	exitEvent   string
	crashSince  time.Time

	missing    bool   // the container was removed by somebody else
	startedNow bool   // our start succeeded, its run is yet to be seen
	pulled     bool   // the image is there for the next container
	lacks      string // the image that the engine didn't have when it was asked
	waits      string // what the next operation waits for, where that may take long
	pinFailed  bool
	portsIn    uint64 // number of the write that has its ports
	restores   int    // restores in a row that didn't hold

	failures    int
	nextTry     time.Time
	wait        time.Duration // that nextTry stands for
	reason      string        // why it isn't running, in words
	lastProblem string
}

// New makes a brain that goes on from cache. Time now is the host's clock.
func New(config Config, cache Cache, now time.Time) *State {
	s := &State{
		config:       config,
		cache:        cache,
		assigned:     map[string]*fleet.Assignment{},
		preparations: map[string]*preparation{},
		pools:        map[fleet.ServiceKey]acceptedPool{},
		signalled:    map[string][]signal{},
		instances:    map[string]*instance{},
		balancers:    map[string]fleet.BalancerActual{},
		facts:        config.Facts,
		advertise:    cache.Advertise,
		bind:         config.Bind,
		engine:       fleet.EngineStatus{Problem: "not asked yet"},
		born:         now,
	}
	s.prepareCache()
	s.locate(config.Facts.Advertise, config.Bind, now)
	s.recall(now)
	s.stages = nil // what was accepted before is nothing new
	return s
}

// Cache returns what Save is to write. It is valid until the next Step.
func (s *State) Cache() *Cache { return &s.cache }

// Turn returns the number of the last step; see Listed.After.
func (s *State) Turn() uint64 { return s.turn }

// Lineage returns the hub that this agent follows; empty: none yet.
func (s *State) Lineage() string { return s.lineage }

// ContainerOf returns the engine's id of an instance's container.
func (s *State) ContainerOf(instance string) (string, bool) {
	inst, ok := s.instances[instance]
	if !ok || inst.container == nil {
		return "", false
	}
	return inst.container.ID, true
}

func (s *State) prepareCache() {
	c := &s.cache
	if c.Pools == nil {
		c.Pools = map[string][]byte{}
	}
	if c.Instances == nil {
		c.Instances = map[string]*Record{}
	}
	if c.Fetched == nil {
		c.Fetched = map[string]*Fetched{}
	}
	if c.Quarantine == nil {
		c.Quarantine = map[int]time.Time{}
	}
	if c.Numbering == "" {
		c.Numbering = s.config.AgentStart
	}
	s.startSequence()
	s.outbox.saved = c.LastEvent
	if s.config.Adopt != "" && s.config.Adopt != c.Lineage {
		s.adopt(s.config.Adopt)
	}
	s.lineage = c.Lineage
}

// recall rebuilds what follows from the cache. A container that was ready
// when the agent ended is taken to run still, until the engine or a probe
// says otherwise; after a reboot it isn't.
func (s *State) recall(now time.Time) {
	s.openCached(now)
	for _, id := range sortedKeys(s.cache.Instances) {
		inst := s.instance(id)
		rec := inst.rec
		if rec.ReadyRun == "" || rec.Container == "" || rec.Boot != s.config.Facts.BootID {
			continue
		}
		c := Container{ID: rec.Container, State: ContainerRunning, ImageID: rec.Image.ID, StartedAt: rec.Started}
		if runOf(&c) != rec.ReadyRun {
			continue
		}
		inst.container = &c
		inst.run, inst.runSince, inst.ready = rec.ReadyRun, now, true
	}
}

// instance returns what is known of id, and begins to know it.
func (s *State) instance(id string) *instance {
	inst, ok := s.instances[id]
	if !ok {
		rec := s.cache.Instances[id]
		if rec == nil {
			rec = &Record{}
			s.cache.Instances[id] = rec
		}
		inst = &instance{id: id, rec: rec}
		s.instances[id] = inst
	}
	return inst
}
