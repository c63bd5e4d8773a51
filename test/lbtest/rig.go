package lbtest

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Patience is how long a test waits for what has to happen.
const Patience = 30 * time.Second

// Rig is a balancer in a directory of its own, with its agent's side.
type Rig struct {
	Balancer
	Options Options // of the next agent
	Reloads atomic.Int64
	blames  atomic.Int64 // pools that were rejected
	vain    atomic.Int64 // reloads that were waited for in vain

	t      testing.TB
	driver Driver
	stop   context.CancelFunc
	done   chan error
	gen    atomic.Uint64

	mu     sync.Mutex // guards the rest
	actual fleet.BalancerActual
	counts []fleet.PoolMetrics
	told   int // how often of counts
}

// NewRig starts a driver's agent side.
func NewRig(t testing.TB, d Driver, prepare ...func(*Options)) *Rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "lb")
	if err != nil {
		t.Fatal(err)
	}
	r := &Rig{t: t, driver: d}
	r.Options = Options{
		Dir: dir, Program: d.Program, Address: netip.MustParseAddr(Loopback),
		Logger: slog.New(slog.NewTextHandler(testLog{r}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Report: r.reported, Counted: r.counted,
	}
	t.Cleanup(func() {
		r.Detach()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	for _, f := range prepare {
		f(&r.Options)
	}
	r.Attach()
	return r
}

// Serving is a rig whose program sends to one instance, a.
func Serving(t testing.TB, d Driver) (*Rig, *fleet.Pool) {
	t.Helper()
	r, web := NewRig(t, d), NewPool(t, "web")
	web.Endpoints = []fleet.Endpoint{NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	return r, web
}

func (r *Rig) reported(actual fleet.BalancerActual) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.actual = actual
}

func (r *Rig) counted(counts []fleet.PoolMetrics) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts, r.told = counts, r.told+1
}

// Attach starts the agent's side, as after the agent's restart.
func (r *Rig) Attach() {
	r.t.Helper()
	lb, err := r.driver.New(r.Options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Balancer = lb
	r.reported(fleet.BalancerActual{})
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done = cancel, make(chan error, 1)
	go func(done chan error) { done <- lb.Run(ctx) }(r.done)
}

// Detach ends the agent's side; the program goes on.
func (r *Rig) Detach() {
	if r.stop == nil {
		return
	}
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	r.stop = nil
}

// Wrap makes a program that does something and then becomes another.
func Wrap(t testing.TB, program, first string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "wrapped")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+first+"\nexec "+program+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// Now is what was reported last.
func (r *Rig) Now() fleet.BalancerActual {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.actual
}

// Until waits until what is reported is so.
func (r *Rig) Until(what string, condition func(fleet.BalancerActual) bool) {
	r.t.Helper()
	Poll(r.t, what, func() bool { return condition(r.Now()) })
}

// Poll waits until something is so.
func Poll(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Apply wants the pools with new generations and waits for all of them to be
// acknowledged.
func (r *Rig) Apply(pools ...*fleet.Pool) {
	r.t.Helper()
	r.WantNext(pools...)
	for _, pool := range pools {
		r.Until("acknowledged: "+pool.Service.String(), func(a fleet.BalancerActual) bool {
			return PoolOf(a, pool.Service).Generation == pool.Generation
		})
	}
}

// WantNext wants the pools with new generations.
func (r *Rig) WantNext(pools ...*fleet.Pool) {
	for _, pool := range pools {
		pool.Generation = r.NextGeneration()
	}
	r.WantAgain(pools...)
}

// WantAgain wants the pools as they are. It hands over copies: a test goes on changing
// what is its own.
func (r *Rig) WantAgain(pools ...*fleet.Pool) {
	var all []fleet.Pool
	for _, pool := range pools {
		given := *pool
		given.Routes, given.Endpoints = slices.Clone(pool.Routes), slices.Clone(pool.Endpoints)
		all = append(all, given)
	}
	r.Want(all)
}

// NextGeneration is one that no pool has had.
func (r *Rig) NextGeneration() uint64 { return r.gen.Add(1) }

// Ready waits until an instance takes traffic.
func (r *Rig) Ready(pool *fleet.Pool, instance string) {
	r.t.Helper()
	r.Until(instance+" takes traffic", func(a fleet.BalancerActual) bool {
		e := EndpointOf(a, pool.Service, instance)
		return e.State == fleet.EndpointReady && e.Check == fleet.CheckPassing
	})
}

// Drained waits until an instance is.
func (r *Rig) Drained(pool *fleet.Pool, instance string) {
	r.t.Helper()
	r.Until(instance+" is drained", func(a fleet.BalancerActual) bool {
		return PoolOf(a, pool.Service).Generation == pool.Generation && EndpointOf(a, pool.Service, instance).Drained
	})
}

// Answers waits until requests get through: a worker that outlives its master for a
// moment takes some with it.
func (r *Rig) Answers(pool *fleet.Pool, want string) {
	r.t.Helper()
	Poll(r.t, want+" answers", func() bool {
		c := &Client{Address: Address(pool)}
		defer c.Close()
		who, err := c.Post("/")
		return err == nil && who == want
	})
}

// testLog sends log lines to the test that is running, and counts some.
type testLog struct{ *Rig }

func (l testLog) Write(line []byte) (int, error) {
	for what, count := range map[string]*atomic.Int64{
		`msg="balancer reloads"`: &l.Reloads, `msg="pool rejected"`: &l.blames, "did not take over within": &l.vain,
	} {
		if strings.Contains(string(line), what) {
			count.Add(1)
		}
	}
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
