package haproxy

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
)

// driver is this one, for the suite that all of them stand.
func driver() lbtest.Driver {
	return lbtest.Driver{
		Key: Driver, Program: "haproxy", File: "haproxy.cfg", Foreign: "global\n",
		New: func(o lbtest.Options) (lbtest.Balancer, error) {
			options := DefaultOptions()
			options.Dir, options.Binary, options.MaxConn, options.Retries = o.Dir, o.Program, o.MaxConn, 0
			options.Certificates = cmp.Or(o.Certificates, options.Certificates)
			options.BindAddresses = []netip.Addr{o.Address}
			options.Logger, options.Report, options.Counted = o.Logger, o.Report, o.Counted
			lb, err := New(options)
			return byHand{lb}, err
		},
		// A timer of more than 24 days. Ports are known to be taken earlier.
		Spoil:       func(pool *fleet.Pool) { pool.Check.Interval = fleet.Duration(1000 * time.Hour) },
		Complaint:   "timer overflow",
		Snippet:     "acl here path /here\nhttp-response set-header X-Shop 'a b' if TRUE\n",
		BadSnippet:  "http-response set-header X-Shop 'a b' if nothing_of_the_kind",
		Differences: lbtest.Differences{KeepsClients: true, AsItRuns: true, CountsOpenSockets: true, PassesFrontOn: true},
	}
}

// byHand is a balancer, and what can be done to its HAProxy beside the agent.
type byHand struct{ *Balancer }

// lbOf is the balancer of a rig.
func lbOf(r *lbtest.Rig) *Balancer { return r.Balancer.(byHand).Balancer }

func (b byHand) Processes(t testing.TB) lbtest.Processes {
	t.Helper()
	now, err := b.processes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return lbtest.Processes{Master: now.master, Current: now.current, Old: now.old}
}

func (b byHand) Master(t testing.TB) (pid int) {
	t.Helper()
	lbtest.Poll(t, "HAProxy answers", func() bool {
		now, err := b.processes(context.Background())
		pid = now.master
		return err == nil && pid != 0
	})
	return pid
}

func (b byHand) Named() int {
	pid, _ := b.named()
	return pid
}

func (b byHand) Reload(t testing.TB) {
	t.Helper()
	before := b.Processes(t)
	if _, err := b.master.ask(context.Background(), "reload"); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	lbtest.Poll(t, "a new worker", func() bool {
		now, err := b.processes(context.Background())
		return err == nil && now.current != before.Current && now.current != 0
	})
}
