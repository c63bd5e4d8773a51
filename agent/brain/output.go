package brain

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Outputs is what the shell is to do after a step, in the order of the fields.
type Outputs struct {
	// Turn numbers the step; see Listed.After.
	Turn uint64
	// Save: State.Cache, as it is now, is to be written to disk, and Saved to be
	// stepped with the outcome. Nothing has to wait for that: what may follow
	// from it only is held back here. There is no second Save before.
	Save bool
	// Ops are to be begun now; each is answered by OpDone.
	Ops []Op
	// Probes is the whole set that is to run, when ProbesChanged.
	Probes        []ProbeTarget
	ProbesChanged bool
	// Pools is the whole set that balancers are to have, when PoolsChanged.
	Pools        []fleet.Pool
	PoolsChanged bool
	// Secrets are the instances whose secrets' and configs' files stay, when SecretsChanged: all
	// others go. It comes before Ops that write some.
	Secrets        []string
	SecretsChanged bool
	// Actual, Presence, Events and Metrics are to be published, where not nil. The
	// generation of an envelope is Sequence, Beat, the number of the last event
	// and Turn, in that order. Only the newest Metrics matter.
	Actual   *fleet.Actual
	Sequence uint64
	Presence *fleet.Presence
	Beat     uint64
	Events   *fleet.EventBatch
	Metrics  *fleet.Metrics
	// Answers are to be given now.
	Answers []fleet.Answer
	// Stages say what became of single instances, for the log.
	Stages []Stage
	// Withdraw, if not empty, is how the host leaves the fleet (fleet.LeaveStop,
	// LeaveKeep): the balancers are to be seen to, and Withdrawn to be stepped then.
	Withdraw string
	// Gone: the host has left the fleet, and the hub knows. The agent is to end.
	Gone bool
	// Wake is when to step with Tick, if nothing comes before; zero: never.
	Wake time.Time
}
