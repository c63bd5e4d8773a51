package simtest

import (
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
)

// Options of a simulation.
type Options struct {
	Seed     uint64
	Network  Network
	Turn     turn.Options
	Timing   brain.Timing
	Ports    int // size of each host's range of ports
	Sabotage Sabotage
}

// Network is how messages travel while a link is whole.
type Network struct {
	Delay  time.Duration // at least
	Jitter time.Duration // and at most so much more
	Loss   float64       // of the hub's messages that its broker drops, as it may
	Repeat float64       // of all messages that come twice, as they may at QoS 1
}

// Sabotage switches guards off, so that a test can prove that the checks bite.
type Sabotage struct {
	DrainedAtOnce   bool // balancers say that what leaves is drained, though it isn't
	DeafToDrains    bool // and besides, they go on sending to it
	EarlyReady      bool // reports say "ready" on their way to the hub, whatever the agent said
	StopUnasked     bool // agents stop what nobody asks them to stop
	TouchForeign    bool // agents stop what isn't theirs
	RestartAtBoot   bool // agents restart their containers when they start
	ForgetCommits   bool // the hub's disk loses what it said it had
	PublishFirst    bool // the hub tells balancers what it hasn't stored yet
	BelieveOldState bool // agents forget which generation they accepted
}

// DefaultOptions are those of an ordinary fleet.
func DefaultOptions() Options {
	return Options{
		Seed:    1,
		Network: Network{Delay: 2 * time.Millisecond},
		Turn:    turn.DefaultOptions(),
		Timing:  brain.DefaultTiming(),
		Ports:   1000,
	}
}
