package sequence

import "github.com/musterhq/muster/shared/fleet"

// Observed is what was read from the balancer in one go.
type Observed struct {
	// Up is false when no process is there. Everything else is empty then.
	Up bool
	// Structure is that of the file which the current worker was started with.
	Structure string
	Current   Worker
	Old       []OldWorker
	Servers   []Server // of the current worker, those with names of ours only
}

// Worker is one process that carries traffic. Started tells apart two
// processes that had the same id; its unit is the driver's.
type Worker struct {
	PID     int
	Started uint64
}

// OldWorker is a worker that a reload has replaced. It accepts no connection
// any more but may send requests of those that it has.
type OldWorker struct {
	Worker
	// Readable is false when it didn't answer; then the rest is unknown.
	Readable bool
	Sessions map[fleet.ServiceKey]int // clients' connections, idle ones too
	Servers  map[ServerKey]int        // open or queued exchanges
}

func (w OldWorker) knows(key endpointKey) bool {
	for server := range w.Servers {
		if server.Service == key.service && server.Instance == key.instance {
			return true
		}
	}
	return false
}

// ServerKey is one endpoint on one route.
type ServerKey struct {
	Service  fleet.ServiceKey
	Target   int
	Instance string
}

// States of a server in a worker.
const (
	StateReady = "ready" // takes traffic by its weight
	StateDrain = "drain" // takes no new traffic; is checked
	StateMaint = "maint" // takes no new traffic; isn't checked
)

// Server is a server as the current worker has it.
type Server struct {
	ServerKey
	Address     string // as lbconf.ServerAddress writes it
	State       string
	Weight      int
	Check       string // fleet.CheckPassing only after a check in this state passed
	Connections int    // open or queued exchanges
	Kept        int    // idle connections that are kept for later exchanges
}
