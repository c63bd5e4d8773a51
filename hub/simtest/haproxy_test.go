package simtest

import (
	"errors"
	"testing"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

func TestABalancerRefusesWhatCanNotBeRendered(t *testing.T) {
	good := fleet.Pool{Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Generation: 1}
	bad := good
	bad.Service.Name, bad.Check = "zoo", fleet.Check{Type: fleet.ProbeHTTP, Path: "no path"}
	s := New(DefaultOptions())
	h := &haproxy{sim: s, host: &host{id: "web1"}}
	if err := h.perform(sequence.Action{Kind: sequence.Write, Pools: []fleet.Pool{good}}); err != nil {
		t.Fatal(err)
	}
	action := sequence.Action{Kind: sequence.Write, Pools: []fleet.Pool{good, bad}}
	err := h.perform(action)
	var r refused
	if !errors.As(err, &r) || r.pool.Service != bad.Service || len(h.file) != 1 {
		t.Fatalf("got %v, and the file has %v", err, h.file)
	}
	a := &agent{sim: s}
	d := &driver{agent: a, haproxy: h}
	d.reject(action, err)
	if kept := d.memory.Rejected[bad.Service]; kept.Generation != bad.Generation || kept.Problem == "" {
		t.Errorf("kept back: %+v", d.memory.Rejected)
	}
}
