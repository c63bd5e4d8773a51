package sequence

import (
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

// Kinds of actions.
const (
	SetState     = "set-state"     // give Server the State
	SetWeight    = "set-weight"    // give Server the Weight
	SetAddress   = "set-address"   // give Server the Address; it is in maint
	AddServer    = "add-server"    // make Server by Pool, Route and Endpoint; it begins in maint
	EnableHealth = "enable-health" // begin to check Server
	DelServer    = "del-server"    // remove Server; refused while it has connections
	Write        = "write"         // make the file hold Pools; the worker has them already, or need not know
	Reload       = "reload"        // make the file hold Pools and start a new worker from it
	Start        = "start"         // make the file hold Pools and start the balancer from it
)

// Action is one step for the driver. Steps are taken in order; one that fails
// doesn't stop the others, because the next turn looks at everything anew.
type Action struct {
	Kind     string
	Server   ServerKey
	State    string
	Weight   int
	Address  string
	Pool     fleet.Pool
	Route    fleet.Route
	Endpoint fleet.Endpoint
	Pools    []fleet.Pool
	Down     []ServerKey // of Pools, for a balancer without a runtime API
	Reason   string      // in words, for Reload and Start
}

// String writes the action on one line, for logs and tests.
func (a Action) String() string {
	server := fmt.Sprintf("%s %s:%d/%s", a.Kind, a.Server.Service, a.Server.Target, a.Server.Instance)
	switch a.Kind {
	case SetState:
		return server + " " + a.State
	case SetWeight:
		return fmt.Sprintf("%s %d", server, a.Weight)
	case SetAddress:
		return server + " " + a.Address
	case Write:
		return a.Kind
	case Reload, Start:
		return a.Kind + ": " + a.Reason
	}
	return server
}
