package haproxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
	"github.com/musterhq/muster/test/lbtest"
)

func TestEndpointsComeAndGoWithoutReload(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a, b := lbtest.NewProgram(t, "a"), lbtest.NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	before := r.Processes(t)

	web.Endpoints = append(web.Endpoints, b.Endpoint(fleet.EndpointReady))
	r.Apply(web)
	r.Ready(web, "b")
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	c := &lbtest.Client{Address: lbtest.Address(web)}
	defer c.Close()
	for range 10 {
		if who, err := c.Post("/"); err != nil || who != "b" {
			t.Fatalf("answered by %q, %v; want b", who, err)
		}
	}
	r.Drained(web, "a")
	a.Exit()
	lbtest.Remove(web, "a")
	r.Apply(web)
	lbtest.Poll(t, "a's server is deleted", func() bool {
		answer, err := lbOf(r).runtime.ask(context.Background(), "show servers state")
		return err == nil && strings.Contains(answer, " b ") && !strings.Contains(answer, " a ")
	})
	if now := r.Processes(t); now.Current != before.Current {
		t.Errorf("worker %d replaced %d: endpoints caused a reload", now.Current, before.Current)
	}
}

func TestAnOldWorkerHoldsDrainedBack(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a, b := lbtest.NewProgram(t, "a"), lbtest.NewProgram(t, "b")
	web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady), b.Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	idle := &lbtest.Client{Address: lbtest.Address(web)}
	defer idle.Close()
	if _, err := idle.Post("/"); err != nil {
		t.Fatal(err)
	}
	r.Reload(t)
	lbtest.Set(web, "a", fleet.EndpointDraining)
	r.Apply(web)
	began, held := time.Now(), false
	r.Until("drained", func(x fleet.BalancerActual) bool {
		drained := lbtest.EndpointOf(x, web.Service, "a").Drained // said before the workers are looked at
		old := len(r.Processes(t).Old) > 0
		if old && drained {
			t.Error("drained while an old worker could still send")
		}
		held = held || old && time.Since(began) > sequence.MinDrain+time.Second
		return drained
	})
	if !held {
		t.Error("the old worker ended before it could hold anything back")
	}
}

func TestTheWorkerKnowsItsGenerations(t *testing.T) {
	t.Parallel()
	r := lbtest.NewRig(t, driver())
	web := lbtest.NewPool(t, "web")
	a := lbtest.NewProgram(t, "a")
	for range 3 {
		web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
		r.Apply(web)
		lbtest.Poll(t, "the worker has the generation", func() bool {
			answer, err := lbOf(r).runtime.ask(context.Background(), "get var "+lbconf.GenerationVar(web.Service))
			return err == nil && strings.Contains(answer, fmt.Sprintf("value=<%d>", web.Generation))
		})
	}
}
