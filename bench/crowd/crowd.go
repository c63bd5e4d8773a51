package crowd

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Options of a crowd. Start from DefaultOptions.
type Options struct {
	Hub    string // "host:port" of its broker
	Join   string // "host:port" where agents join; empty: they don't, and connect without TLS
	First  int    // number of the first agent
	Agents int

	Beat      time.Duration // between signs of life
	KeepAlive time.Duration
	Watchdog  time.Duration // the connection is given up without an echo for so long
	Resend    time.Duration // until an unacknowledged report is sent again; from then on twice as long
	Start     time.Duration // what a container takes to be ready
	// The pause before connecting again is random, from ReconnectMin to
	// ReconnectFirst, whose place is taken by twice as much after each session
	// without an echo, and ReconnectMax at most.
	ReconnectMin, ReconnectFirst, ReconnectMax time.Duration
	Timeout                                    time.Duration // for connecting, and for each write
}

// DefaultOptions are a real agent's times.
func DefaultOptions() Options {
	return Options{
		Agents:         1,
		Beat:           3 * time.Second,
		KeepAlive:      6 * time.Second,
		Watchdog:       9 * time.Second,
		Resend:         5 * time.Second,
		Start:          300 * time.Millisecond,
		ReconnectMin:   100 * time.Millisecond,
		ReconnectFirst: 500 * time.Millisecond,
		ReconnectMax:   10 * time.Second,
		Timeout:        20 * time.Second,
	}
}

// Crowd is many agents.
type Crowd struct {
	agents []*agent
	entry  *entry // nil: nobody joins
}

// New makes the agents; it starts nothing.
func New(o Options) *Crowd {
	c := &Crowd{}
	if o.Join != "" {
		c.entry = newEntry(&o)
	}
	for i := range o.Agents {
		c.agents = append(c.agents, newAgent(&o, c.entry, o.First+i))
	}
	return c
}

// Join lets the agents join with a token, once.
func (c *Crowd) Join(token string) error {
	if c.entry == nil {
		return errors.New("the agents have no address where they join")
	}
	return c.entry.open(token)
}

// Run keeps all agents connected until ctx is done.
func (c *Crowd) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, a := range c.agents {
		all.Go(func() { a.run(ctx) })
	}
	all.Wait()
	if c.entry != nil {
		c.entry.close()
	}
}

// Cut breaks every so many'th connection, all at once, without a farewell.
func (c *Crowd) Cut(every int) {
	for i := 0; i < len(c.agents); i += max(every, 1) {
		c.agents[i].cut()
	}
}

// Watch begins to look for the slowest echo to a sign of life, of those that keep
// their connection.
func (c *Crowd) Watch() {
	for _, a := range c.agents {
		a.watch()
	}
}

// Report has every agent report that others use more of its machine's memory.
func (c *Crowd) Report() {
	for _, a := range c.agents {
		a.report(func() { a.foreign += 16 << 20 })
	}
}

// State is how far the agents are. Each time is that of the last one.
type State struct {
	Agents    int
	Joined    int // have a certificate
	Connected int
	Sessions  int // all that there were
	// Heard have had an echo of the hub's in their session.
	Heard   int
	HeardAt time.Time
	// Reached have accepted a desired state of the generation asked for, or a
	// newer one.
	Reached   int
	ReachedAt time.Time
	// Confirmed have had the hub's word that it took in a report of that.
	Confirmed   int
	ConfirmedAt time.Time
	// Settled have had all that they reported confirmed.
	Settled   int
	SettledAt time.Time
	// Watched are those whose connections weren't broken by an order since Watch,
	// and Slowest is their slowest echo since then, or the wait for one so far.
	Watched int
	Slowest time.Duration
	// Trouble is why somebody couldn't join at last; empty: nobody had any.
	Trouble string
}

// State says how far the agents are with a generation of their desired state.
func (c *Crowd) State(generation uint64) State {
	out := State{}
	for _, a := range c.agents {
		a.addTo(&out, generation)
	}
	if c.entry != nil {
		c.entry.mu.Lock()
		defer c.entry.mu.Unlock()
		if c.entry.trouble != nil {
			out.Trouble = c.entry.trouble.Error()
		}
	}
	return out
}

// Add is the state of two crowds.
func (s State) Add(other State) State {
	s.Agents += other.Agents
	s.Joined += other.Joined
	s.Connected += other.Connected
	s.Sessions += other.Sessions
	s.Heard, s.HeardAt = s.Heard+other.Heard, later(s.HeardAt, other.HeardAt)
	s.Reached, s.ReachedAt = s.Reached+other.Reached, later(s.ReachedAt, other.ReachedAt)
	s.Confirmed, s.ConfirmedAt = s.Confirmed+other.Confirmed, later(s.ConfirmedAt, other.ConfirmedAt)
	s.Settled, s.SettledAt = s.Settled+other.Settled, later(s.SettledAt, other.SettledAt)
	s.Watched, s.Slowest = s.Watched+other.Watched, max(s.Slowest, other.Slowest)
	s.Trouble = cmp.Or(s.Trouble, other.Trouble)
	return s
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Facts are as large as a real machine's.
func Facts(host string) fleet.HostFacts {
	return fleet.HostFacts{
		Hostname: host, OS: "linux", Distribution: "debian 12", Kernel: "6.1.0-18-amd64", Architecture: "amd64",
		CPUs: 8, Memory: 32 << 30, EngineVersion: "27.5.1", Addresses: []string{"10.1.2.3", "172.17.0.1"}, Advertise: "10.1.2.3",
		MachineID: "0123456789abcdef0123456789-" + host, BootID: "01234567-89ab-cdef-0123-456789abcdef",
		Labels: map[string]string{"zone": "a"}, AgentVersion: "crowd",
		Features: []string{
			fleet.FeatureHealthcheck, fleet.FeatureHostPort, fleet.FeatureMountBind, fleet.FeatureMountTmpfs, fleet.FeatureMountVolume,
			fleet.FeatureProbeHTTP, fleet.FeatureProbeTCP, fleet.FeatureResources, fleet.FeatureRestart, fleet.FeatureStopAtOnce, fleet.FeatureStopSignal,
		},
		PortRangeFirst: 20000, PortRangeLast: 29999,
	}
}
