package brain

import "github.com/musterhq/muster/shared/fleet"

// Input is something that the brain is told. The set is closed.
type Input interface{ input() }

// DesiredReceived is a message on the host's desired topic, as it came.
type DesiredReceived struct{ Payload []byte }

// PoolReceived is a message on the topic of one service's pool, as it came.
type PoolReceived struct {
	Service fleet.ServiceKey // by the topic
	Payload []byte
}

// AckReceived is a message on the host's ack topic, as it came.
type AckReceived struct{ Payload []byte }

// Listed is a full listing of the engine's containers, everybody's.
type Listed struct {
	// After is the turn (Outputs.Turn) that was the last one when the listing
	// began. It keeps a listing from undoing what an operation brought since.
	After      uint64
	Containers []Container
}

// EngineFailed says that the engine couldn't be listed.
type EngineFailed struct{ Problem string }

// Noticed is something that happened to a container by the engine's account.
// "kill", a signal from somebody else, may tell a stop by hand from an exit. A
// container that is said to "die" serves no more, though the engine may take a
// while until it lists it so. Nothing else matters.
type Noticed struct {
	Container string
	Action    string
	Signal    int // of a "kill", by its number
}

// OpDone says that an operation ended.
type OpDone struct{ Result Result }

// Probed is the outcome of one probe.
type Probed struct{ Result ProbeResult }

// BalancerReported is one balancer as it is now.
type BalancerReported struct{ Actual fleet.BalancerActual }

// BalancerCounted is what one balancer has counted for the pools that are to be
// measured. No pools: it measures none.
type BalancerCounted struct {
	Balancer string
	Pools    []fleet.PoolMetrics // sorted by Service
}

// FactsRead is what the machine says of itself now. Bind is the address that
// ports from the range are published on from now on, if Facts has an address.
type FactsRead struct {
	Facts fleet.HostFacts
	Bind  string
}

// ForeignRead is what others use of the machine now.
type ForeignRead struct{ Foreign fleet.Foreign }

// DiskRead is how full the file system is that the engine keeps its images on.
type DiskRead struct{ Used, Size int64 } // bytes

// PruneAsked orders that images go that nothing needs; a DryRun only asks which.
// It is answered by an Answer with the same ID.
type PruneAsked struct {
	ID     string
	DryRun bool
	Cause  string
}

// PullAsked orders that an image is fetched, unless it is there. It is answered by
// an Answer with the same ID.
type PullAsked struct {
	ID      string
	Service fleet.ServiceKey
	Image   string
	Cause   string
}

// Connected says that a new session with the hub's broker began.
type Connected struct{ Session string }

// Disconnected says that the session ended.
type Disconnected struct{}

// Saved answers Outputs.Save: the cache is on disk, or it isn't for Problem.
type Saved struct{ Problem string }

// Withdrawn answers Outputs.Withdraw: the balancers are as they are to be left.
type Withdrawn struct{}

// Dismissed says that the hub lets this host in no more. Of one that has left, that
// is as good as its word.
type Dismissed struct{}

// Tick says that time passed.
type Tick struct{}

func (DesiredReceived) input()  {}
func (PoolReceived) input()     {}
func (AckReceived) input()      {}
func (Listed) input()           {}
func (EngineFailed) input()     {}
func (Noticed) input()          {}
func (OpDone) input()           {}
func (Probed) input()           {}
func (BalancerReported) input() {}
func (BalancerCounted) input()  {}
func (FactsRead) input()        {}
func (ForeignRead) input()      {}
func (DiskRead) input()         {}
func (PruneAsked) input()       {}
func (PullAsked) input()        {}
func (Connected) input()        {}
func (Disconnected) input()     {}
func (Saved) input()            {}
func (Withdrawn) input()        {}
func (Dismissed) input()        {}
func (Tick) input()             {}
