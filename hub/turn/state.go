// Package turn is the hub's whole brain. Step takes the fleet's state, what
// came in and the time, and returns what changes and what goes out. It does
// no IO, reads no clock and starts nothing; the caller commits the change,
// folds it into the state, and only then lets the outputs go.
package turn

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// State is the fleet as the hub knows it. It is owned by one goroutine.
type State struct {
	Lineage  string
	Epoch    uint64
	Revision uint64
	Started  time.Time // when this hub started: hosts are unknown until heard
	// Restored is the revision from which a store went on that was restored, or
	// begun anew for a fleet that has lost its own; 0: neither.
	Restored uint64

	Services   map[fleet.ServiceKey]*Service
	Instances  map[string]*Instance
	Hosts      map[string]*Host
	Balancers  map[fleet.BalancerKey]*Balancer
	Pools      map[PoolKey]*Published
	Homes      map[fleet.ServiceKey]*Home
	Results    map[string]*Answered
	Documents  map[string]*Document // by project
	Left       map[string]*Left     // by host
	Secrets    map[fleet.SecretKey]*Secret
	Registries map[string]*Registry

	live      map[string]*Live                     // by host; not stored
	silences  map[fleet.BalancerKey]*Silence       // not stored
	windows   map[fleet.ServiceKey]*window         // not stored
	judgments map[fleet.ServiceKey]*judgment       // not stored
	hooks     map[fleet.ServiceKey]*hook           // not stored
	rolling   map[fleet.ServiceKey]bool            // services of which a version is on its way
	imagesOn  map[string]map[fleet.ServiceKey]bool // services whose last rollout had a host fetch the image
	leaving   map[string]bool                      // hosts on their way out
	away      map[string]bool                      // hosts in maintenance
	// dependents are the services that depend on others, by those.
	dependents map[fleet.ServiceKey]map[fleet.ServiceKey]bool
	fleet      *Fleetwide // not stored

	notes map[fleet.ServiceKey]*notes // not stored
	told  map[fleet.ServiceKey]*told
	blank bool // nothing had been asked for when this hub started
	anew  bool // nor when its store was restored: it was begun anew

	tally     Tally
	byService map[fleet.ServiceKey]map[string]bool
	byHost    map[string]map[string]bool

	opts Options
}

// Service is what was asked for, with its versions.
type Service struct {
	Asked      fleet.Service         `json:"asked"`
	Generation uint64                `json:"generation"`
	Version    int                   `json:"version"`
	Versions   map[int]fleet.Version `json:"versions"` // never changed in place
	NamePorts  []int                 `json:"namePorts,omitempty"`
	// Restarted is the revision of the last restart: instances born before
	// it are replaced.
	Restarted uint64 `json:"restarted,omitempty"`
	// RestartedOn is the same for one host only.
	RestartedOn map[string]uint64 `json:"restartedOn,omitempty"`
	Frozen      bool              `json:"frozen,omitempty"`
	Removing    bool              `json:"removing,omitempty"`
	// Stopped: none is to run, whatever its count, until it is started.
	Stopped bool `json:"stopped,omitempty"`
	// StoppedOn are the hosts on which none is to run until it is started there; sorted.
	StoppedOn []string `json:"stoppedOn,omitempty"`
	// Resting are the slots that have their data on a host and were stopped, with
	// the host.
	Resting map[int]string `json:"resting,omitempty"`
	Cause   string         `json:"cause"`
	// Converged is the generation that was last reported as converged.
	Converged uint64 `json:"converged,omitempty"`
	// Held are the reasons why it can't go on by itself, as last reported.
	Held []string `json:"held,omitempty"`
	// Settled is the Restored since which it was compared with what runs.
	Settled uint64 `json:"settled,omitempty"`
	// Begun: its instances wait for none of those that it depends on any more; of a
	// one-shot service, the next run doesn't.
	Begun bool `json:"begun,omitempty"`
	// Waiting has since when it waits for which of those.
	Waiting map[string]time.Time `json:"waiting,omitempty"`
	// Fetch are the hosts that fetch its image while it waits.
	Fetch []string `json:"fetch,omitempty"`
	// After has the mark of each dependency with restart that it was last started after.
	After map[string]uint64 `json:"after,omitempty"`
	// Renewed is the revision at which all of its instances had last been replaced by
	// a rollout, or its run had last ended well.
	Renewed uint64 `json:"renewed,omitempty"`
	// Run is the last run of a one-shot service that others depend on.
	Run *fleet.Run `json:"run,omitempty"`
	// Rollout is the last one; nil: there never was one. It isn't changed in place.
	Rollout *fleet.Rollout `json:"rollout,omitempty"`
	// Rebalance is an order to move instances that isn't done yet; nil: there is none.
	// It isn't changed in place.
	Rebalance *Rebalance `json:"rebalance,omitempty"`
}

// Instance is one place where one container of one version runs.
type Instance struct {
	ID      string           `json:"id"`
	Service fleet.ServiceKey `json:"service"`
	Version int              `json:"version"`
	Slot    int              `json:"slot"`
	Host    string           `json:"host"`
	Goal    string           `json:"goal"` // run, drain, stop
	Born    uint64           `json:"born"` // revision
	BornAt  time.Time        `json:"bornAt"`
	Cause   string           `json:"cause"`
	GoalAt  time.Time        `json:"goalAt"`
	// Ready is latched: set by a report, cleared only by another. ReadyAt is
	// when it last changed.
	Ready   bool        `json:"ready,omitempty"`
	ReadyAt time.Time   `json:"readyAt,omitzero"`
	Dead    bool        `json:"dead,omitempty"` // its agent says that no container of it runs
	Address string      `json:"address,omitempty"`
	Ports   map[int]int `json:"ports,omitempty"`
	// Sent has every balancer that was ever sent this instance.
	Sent map[fleet.BalancerKey]bool `json:"sent,omitempty"`
	// Released says how a balancer left the drain barrier: drained,
	// forgotten or unreachable.
	Released map[fleet.BalancerKey]string `json:"released,omitempty"`
	// Lost: its host is gone and it is being replaced elsewhere.
	Lost bool `json:"lost,omitempty"`
	// Spec is the sum of what it runs, where its version isn't known.
	Spec string `json:"spec,omitempty"`
	// Differs is the image that it runs, where that isn't its version's.
	Differs string `json:"differs,omitempty"`
}

// String names the instance as events do: "shop/web 2-1 on web1".
func (in *Instance) String() string { return fmt.Sprintf("%s %s on %s", in.Service, in.ID, in.Host) }

// Host is a machine that runs an agent.
type Host struct {
	ID           string          `json:"id"`
	Generation   uint64          `json:"generation"`
	Facts        fleet.HostFacts `json:"facts"`
	Availability string          `json:"availability"`
	Frozen       bool            `json:"frozen,omitempty"`
	Failed       bool            `json:"failed,omitempty"`
	// Vacant: another machine may take its place. It was declared dead, and
	// nobody waits for its data.
	Vacant bool   `json:"vacant,omitempty"`
	Cause  string `json:"cause,omitempty"`
	// Maintenance: its silence means nothing, and nothing comes to it; nil: it isn't
	// in any. It isn't changed in place.
	Maintenance *Maintenance `json:"maintenance,omitempty"`
	// Leaving is its way out of the fleet; nil: it stays. It isn't changed in place.
	Leaving *Leaving `json:"leaving,omitempty"`
	// Desired is the generation of its desired state, and Sum its content.
	Desired uint64 `json:"desired,omitempty"`
	Sum     string `json:"sum,omitempty"`
	// Numbering and Events are the agent's events taken in so far.
	Numbering string `json:"numbering,omitempty"`
	Events    uint64 `json:"events,omitempty"`
	// Held are host ports that were released and may not be given again yet.
	Held map[int]HeldPort `json:"held,omitempty"`
	// Settled is the Restored since which what it has is known.
	Settled uint64 `json:"settled,omitempty"`
	// Late is the Restored whose gathering ended without it.
	Late uint64 `json:"late,omitempty"`
}

// HeldPort is a released host port.
type HeldPort struct {
	Service fleet.ServiceKey `json:"service"`
	Until   time.Time        `json:"until"`
	// Waits has the balancers that had the port and haven't yet acknowledged
	// a generation without it.
	Waits map[fleet.BalancerKey]uint64 `json:"waits,omitempty"`
}

// Balancer is a load balancer that a host's agent drives.
type Balancer struct {
	Key   fleet.BalancerKey   `json:"key"`
	Facts fleet.BalancerFacts `json:"facts"`
	// Forgotten: a person said that it is gone for good. It comes back by
	// being reported again by an agent that started later.
	Forgotten string `json:"forgotten,omitempty"` // the agent start that is not believed any more
	// Trouble is what was last told to be wrong with it; empty: nothing.
	Trouble string `json:"trouble,omitempty"`
}

// PoolKey names the pool of one service on one host's balancers.
type PoolKey struct {
	Host    string
	Service fleet.ServiceKey
}

// Published is a pool as it was last published.
type Published struct {
	Pool fleet.Pool `json:"pool"`
	Sum  string     `json:"sum"`
	// Draining has the generation at which each endpoint that leaves was
	// first published as draining.
	Draining map[string]uint64 `json:"draining,omitempty"`
	// Listen are the ports that the balancers listen on, or did before the
	// pool was removed.
	Listen []int `json:"listen,omitempty"`
	// Listeners has a listener of each form of the pool that a balancer may
	// have: the last that all have acknowledged, and those since.
	Listeners []Listener `json:"listeners,omitempty"`
	// Held are the endpoints that keep traffic though reported unready.
	Held []string `json:"held,omitempty"`
}

// Listener is a port on which balancers listen since a revision.
type Listener struct {
	Port  int    `json:"port"`
	Since uint64 `json:"since"`
}

// Home remembers what outlives a service: which hosts have the data of its
// slots, as its volumes stay, and the number of its last version. A number
// means one version for ever: a host that was away may still run what a service
// of the same name once was.
type Home struct {
	Hosts   map[int]string `json:"hosts,omitempty"` // slot to host
	Data    []string       `json:"data,omitempty"`  // every volume and path that they have had
	Version int            `json:"version,omitempty"`
}

// Document is a project's canonical Compose document, as last applied. It
// goes with the project's last service.
type Document struct {
	Text     string `json:"text"`
	Revision uint64 `json:"revision"`
}

// notes are the reasons why a service isn't there yet, as last planned.
type notes struct{ reasons []string }

// Answered is the result of a command, for a repeat with the same id.
type Answered struct {
	Order  string       `json:"order"` // a sum of what was ordered
	Result fleet.Result `json:"result"`
	At     time.Time    `json:"at"`
}

// Options are the brain's timings and limits. All may be shrunk for tests.
type Options struct {
	LostAfter        time.Duration // silence until a host is lost
	UnknownFor       time.Duration // after the hub's start
	Grace            time.Duration // host lost to placed anew
	PortHold         time.Duration // a released host port stays free
	UnreachableAfter time.Duration // a silent balancer's listeners, until it leaves the barrier
	BehindAfter      time.Duration // a host without its desired state is sent it again
	RebootAfter      time.Duration // a host that said it reboots is lost after
	ReadyAfter       time.Duration // an instance that isn't ready is told to people
	BarrierAfter     time.Duration // so is one that waits for balancers, this long after the drain timeout
	StopAfter        time.Duration // and one that isn't gone, this long after its stop grace
	ResultsFor       time.Duration // results of commands are remembered
	LostShare        float64       // of hosts lost at once, above which nothing is placed anew
	ReturnWithin     time.Duration // agents take so long to reconnect when the network is back
	MaxVersions      int           // kept per service
	MaxServices      int
	MaxCount         int // of one service
	MaxResults       int // commands remembered
	MaxLeft          int // hosts remembered that have left
	MaxLooks         int // at hosts, to work out one rebalance: a million are about two seconds
	// Encrypt makes of a sealed value, by the name under which it was sealed, a text
	// that only the recipient can read. The same gives the same. Nil: nothing is
	// delivered.
	Encrypt func(recipient, name string, revision int, value fleet.SealedValue) (string, error)
	// Recipient is the key that a host's secrets are encrypted to, empty for none.
	// Nil: the one that its agent reports.
	Recipient func(host string) string
	// WithoutBarrier stops instances without waiting for balancers. It is
	// there so that a test can show that requests get lost without the barrier.
	WithoutBarrier bool
}

// DefaultOptions are meant for production.
func DefaultOptions() Options {
	return Options{
		LostAfter:        10 * time.Second,
		UnknownFor:       time.Minute,
		Grace:            5 * time.Second,
		PortHold:         10 * time.Minute,
		UnreachableAfter: 30 * time.Second,
		BehindAfter:      2 * time.Second,
		RebootAfter:      5 * time.Minute,
		ReadyAfter:       5 * time.Minute,
		BarrierAfter:     time.Minute,
		StopAfter:        time.Minute,
		ResultsFor:       24 * time.Hour,
		LostShare:        0.2,
		ReturnWithin:     35 * time.Second,
		MaxVersions:      10,
		MaxServices:      5_000,
		MaxCount:         10_000,
		MaxResults:       10_000,
		MaxLeft:          10_000,
		MaxLooks:         1_000_000,
	}
}

// New returns an empty fleet.
func New(lineage string, epoch, revision uint64, started time.Time, opts Options) *State {
	return &State{
		Lineage: lineage, Epoch: epoch, Revision: revision, Started: started, opts: opts,
		Services:   map[fleet.ServiceKey]*Service{},
		Instances:  map[string]*Instance{},
		Hosts:      map[string]*Host{},
		Balancers:  map[fleet.BalancerKey]*Balancer{},
		Pools:      map[PoolKey]*Published{},
		Homes:      map[fleet.ServiceKey]*Home{},
		Results:    map[string]*Answered{},
		Documents:  map[string]*Document{},
		Left:       map[string]*Left{},
		Secrets:    map[fleet.SecretKey]*Secret{},
		Registries: map[string]*Registry{},
		live:       map[string]*Live{},
		silences:   map[fleet.BalancerKey]*Silence{},
		windows:    map[fleet.ServiceKey]*window{},
		judgments:  map[fleet.ServiceKey]*judgment{},
		hooks:      map[fleet.ServiceKey]*hook{},
		rolling:    map[fleet.ServiceKey]bool{},
		imagesOn:   map[string]map[fleet.ServiceKey]bool{},
		leaving:    map[string]bool{},
		dependents: map[fleet.ServiceKey]map[fleet.ServiceKey]bool{},
		away:       map[string]bool{},
		notes:      map[fleet.ServiceKey]*notes{},
		told:       map[fleet.ServiceKey]*told{},
		blank:      true,
		anew:       true,
		fleet:      &Fleetwide{},
		tally:      newTally(),
		byService:  map[fleet.ServiceKey]map[string]bool{},
		byHost:     map[string]map[string]bool{},
	}
}
