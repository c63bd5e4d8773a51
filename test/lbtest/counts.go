package lbtest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// slowness is how long the requests of a bad version take at least.
const slowness = 40 * time.Millisecond

// badVersion answers slowly, and every twentieth time with 500: 5 %.
func badVersion(id string) http.HandlerFunc {
	var served atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slowness)
		if served.Add(1)%20 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, id)
	}
}

// hangUp closes the connection instead of answering.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// countsOf is what was told last of an endpoint.
func (r *Rig) countsOf(instance string) fleet.EndpointCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pool := range r.counts {
		for _, e := range pool.Endpoints {
			if e.Instance == instance {
				return e
			}
		}
	}
	return fleet.EndpointCounts{}
}

// crowd is what clients saw, by instance; nobody: no instance answered.
type crowd struct {
	sent   atomic.Int64
	mu     sync.Mutex // guards the rest
	all    map[string]uint64
	failed map[string]uint64
}

const nobody = "nobody"

// send has clients send so many requests each, one after the other.
func (c *crowd) send(d Driver, address string, clients, requests int) *sync.WaitGroup {
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			client := &Client{Address: address, Again: !d.KeepsClients}
			defer client.Close()
			for range requests {
				answer, err := client.Post("/")
				c.saw(answer, err != nil)
			}
		})
	}
	return &group
}

func (c *crowd) saw(answer string, failed bool) {
	c.sent.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer == "" || strings.HasPrefix(answer, "<html>") {
		answer = nobody
	}
	c.all[answer]++
	if failed {
		c.failed[answer]++
	}
}

// CountsAreWhatClientsSaw through a reload, whose old worker goes on for a while.
func CountsAreWhatClientsSaw(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	web.Measure, web.DrainTimeout = true, fleet.Duration(time.Hour)
	for _, p := range []*Program{NewProgram(t, "good"), NewProgram(t, "bad", badVersion("bad")), NewProgram(t, "mute", hangUp)} {
		web.Endpoints = append(web.Endpoints, p.Endpoint(fleet.EndpointReady))
	}
	web.Endpoints[1].Version = 2
	web.Endpoints[0], web.Endpoints[1] = web.Endpoints[1], web.Endpoints[0] // sorted
	r.Apply(web)
	for _, e := range web.Endpoints {
		r.Ready(web, e.Instance)
	}

	saw := &crowd{all: map[string]uint64{}, failed: map[string]uint64{}}
	same := func(when string, sockets uint64) {
		t.Helper()
		Poll(t, when+" the counts are what clients saw", func() bool {
			var more uint64
			for instance, name := range map[string]string{"good": "good", "bad": "bad", "mute": nobody} {
				counted := r.countsOf(instance)
				if counted.Failed != saw.failed[name] || counted.Requests < saw.all[name] {
					return false
				}
				more += counted.Requests - saw.all[name]
			}
			return more == sockets
		})
	}
	saw.send(d, Address(web), 4, 60).Wait()
	same("at first", 0)
	good, bad := r.countsOf("good"), r.countsOf("bad")
	if good.Version != 1 || bad.Version != 2 || good.Failed > 0 || bad.Failed == 0 {
		t.Errorf("%+v, %+v", good, bad)
	}
	if bad.AverageMS < int(slowness/time.Millisecond) || good.AverageMS >= bad.AverageMS {
		t.Errorf("a request takes %d ms, and %d ms in the slow version", good.AverageMS, bad.AverageMS)
	}

	conn, _ := OpenSocket(t, Address(web)) // so that the old worker goes on until all is read of it
	group := saw.send(d, Address(web), 4, 120)
	before := saw.sent.Load()
	Poll(t, "some are sent", func() bool { return saw.sent.Load() > before+40 })
	r.Reload(t)
	group.Wait()
	opened := uint64(0)
	if d.CountsOpenSockets {
		opened = 1
	}
	same("after a reload", opened)
	conn.Close()
	same("after the WebSocket", 1)
	if later := r.countsOf("bad"); later.Requests <= bad.Requests || later.Failed <= bad.Failed {
		t.Errorf("%+v became %+v", bad, later)
	}
}

// NothingIsCountedThatNobodyAskedFor means that counts begin when it is asked for.
func NothingIsCountedThatNobodyAskedFor(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web := NewPool(t, "web")
	web.Endpoints = []fleet.Endpoint{NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	c := &Client{Address: Address(web)}
	defer c.Close()
	post := func() {
		t.Helper()
		if _, err := c.Post("/"); err != nil {
			t.Fatal(err)
		}
		if !d.AsItRuns {
			c.Close() // a worker of before, which counts as it was told then, would go on with it
		}
	}
	measure := func(on bool) {
		web.Measure = on
		r.Apply(web)
		Poll(t, "it is told", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return (r.counts != nil) == on
		})
	}
	times := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.told
	}
	post()
	if r.Apply(web); times() != 0 {
		t.Fatal("it is told, and nobody asked")
	}
	reloads := r.Reloads.Load()
	for range 2 {
		measure(true)
		Poll(t, "it is seen", func() bool { return r.countsOf("a").Version == 1 })
		post()
		Poll(t, "it is counted", func() bool { return r.countsOf("a").Requests == 1 })
		measure(false)
		post()
	}
	if d.AsItRuns && r.Reloads.Load() != reloads {
		t.Error("to be measured needs a reload")
	}
}
