// Package lbtest is the suite of tests that every balancer's driver stands, with the
// clients, programs and certificates for it. A driver's own tests hand over a Driver,
// have each case of the suite as a test of theirs, and beside it what only their
// program does.
package lbtest

import (
	"context"
	"log/slog"
	"net/netip"
	"syscall"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// Driver is a balancer's driver, and what the suite has to know of its program.
type Driver struct {
	Key     string // of its snippets
	Program string // as it is found, or its path
	File    string // the program's configuration, in the balancer's directory
	Foreign string // one that is somebody else's
	New     func(Options) (Balancer, error)

	// Spoil makes a pool what only the program itself rejects, saying Complaint.
	Spoil     func(*fleet.Pool)
	Complaint string
	// Snippet sets the header X-Shop to "a b", BadSnippet names nothing_of_the_kind.
	Snippet, BadSnippet string

	Differences
}

// Differences are what the programs promise, each in its own way.
type Differences struct {
	// KeepsClients: no connection of a client's that rests is closed for a change.
	// Clients of the others try again where a connection was closed before an answer.
	KeepsClients bool
	// AsItRuns: endpoints come and go, and are counted, without a reload. The others
	// learn by reloads alone.
	AsItRuns bool
	// SendsBack: at a reload clients by HTTP/2 are told which of their requests
	// weren't begun, and send those anew.
	SendsBack bool
	// CountsOpenSockets: a WebSocket is counted once it is open. The others count it
	// when it ends.
	CountsOpenSockets bool
	// PassesFrontOn: what a balancer in front said by the PROXY protocol is passed on
	// as it was. The others say the client's address, and at which of their own it came.
	PassesFrontOn bool
}

// Options are what a test sets of a driver's.
type Options struct {
	Dir          string
	Program      string
	Certificates string // empty: the driver's own folder
	MaxConn      int
	Address      netip.Addr // that it listens at
	Logger       *slog.Logger
	Report       func(fleet.BalancerActual)
	Counted      func([]fleet.PoolMetrics)
}

// Balancer is what a driver makes, and what the suite does to its program by hand.
type Balancer interface {
	Run(context.Context) error
	Stop(context.Context) error
	Want([]fleet.Pool)

	// Processes are the program's.
	Processes(testing.TB) Processes
	// Master is the first of them, once it answers.
	Master(testing.TB) int
	// Named is the one that the program's pid file names.
	Named() int
	// Reload has the program load its file again without need, and waits until
	// somebody new serves.
	Reload(testing.TB)
}

// Processes are the master, a worker that serves and those that shut down.
type Processes struct {
	Master, Current int
	Old             []int
}

// Kill sends a signal to a process.
func Kill(t testing.TB, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}
