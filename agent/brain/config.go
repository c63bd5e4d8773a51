package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Config is what a brain knows from the start and never changes.
type Config struct {
	Host       string
	AgentStart string // random, new at each start of the agent
	// Facts as first read. BootID, Features and the range of ports are taken
	// from here for good. Without Advertise the address of the last start is
	// made do with until FactsRead brings one.
	Facts fleet.HostFacts
	// Bind is the address that ports from the range are published on; see
	// FactsRead.
	Bind string
	// Adopt names a lineage to accept although another one was accepted
	// before; empty: none.
	Adopt string
	// SecretsDir is where the shell writes secrets' files: each instance has a folder
	// of its id. NoSecrets is why it can't; empty: it can.
	SecretsDir string
	NoSecrets  string
	// ConfigsDir is where the shell writes configs' files, in the same way.
	ConfigsDir string
	Limits     Limits
	Timing     Timing
}

// Limits bound what goes on at once and what is kept.
type Limits struct {
	Pulls  int // images fetched side by side
	Stops  int // containers stopped side by side
	Others int // any other operations side by side
	Events int // unacknowledged events kept
	Batch  int // events in one message
	// Images that nothing needs go when the engine's disk is fuller than PruneAbove
	// (0: never by itself), until it is as full as PruneTo; percent.
	PruneAbove, PruneTo int
}

// DefaultLimits returns the limits of an ordinary host.
func DefaultLimits() Limits {
	return Limits{Pulls: 3, Stops: 8, Others: 8, Events: 1000, Batch: 50, PruneAbove: 85, PruneTo: 80}
}

// Timing holds every time that the brain decides by.
type Timing struct {
	Heartbeat      time.Duration // between signs of life
	ReportDelay    time.Duration // least time between two reports that aren't urgent
	CountsDelay    time.Duration // the same for reports that differ in connection counts only
	FirstReport    time.Duration // longest wait for the first probes before the first report
	FirstPools     time.Duration // longest wait for all pools of the index before balancers are told
	SaveDelay      time.Duration // longest time that what needn't be on disk at once stays off it
	SaveRetry      time.Duration // between attempts while the disk refuses
	Resend         time.Duration // until an unacknowledged report or batch of events is sent again; see again
	Quarantine     time.Duration // how long a released port isn't given away
	BackoffFirst   time.Duration // wait before the second try; doubles from there
	BackoffMax     time.Duration
	PermanentRetry time.Duration // least wait after a failure that trying again can't help
	Look           time.Duration // between looks whether an image that was prepared is still there
	Clean          time.Duration // least time between two rounds in which images are removed for want of room
	Stable         time.Duration // a run this long makes earlier exits forgotten
}

// again is the wait before something that isn't acknowledged is sent once more, twice
// as long from the second time on: a hub that is only slow must not get the more to do,
// the slower it is; and one that was out of order is to know soon after it is well.
func (t Timing) again(repeated bool) time.Duration {
	if repeated {
		return 2 * t.Resend
	}
	return t.Resend
}

// DefaultTiming returns the times of an ordinary host.
func DefaultTiming() Timing {
	return Timing{
		Heartbeat:      3 * time.Second,
		ReportDelay:    50 * time.Millisecond,
		CountsDelay:    time.Second,
		FirstReport:    3 * time.Second,
		FirstPools:     10 * time.Second,
		SaveDelay:      100 * time.Millisecond,
		SaveRetry:      time.Second,
		Resend:         5 * time.Second,
		Quarantine:     10 * time.Minute,
		BackoffFirst:   time.Second,
		BackoffMax:     time.Minute,
		PermanentRetry: 15 * time.Second,
		Look:           time.Minute,
		Clean:          time.Minute,
		Stable:         time.Minute,
	}
}
