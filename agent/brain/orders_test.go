package brain_test

import (
	"slices"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// send gives the brain a new desired state.
func (w *world) send(d fleet.Desired) {
	w.t.Helper()
	w.gen++
	w.step(brain.DesiredReceived{Payload: w.seal(w.epoch, w.gen, d)})
}

func (w *world) seal(epoch, generation uint64, body any) []byte {
	return must(wire.Seal("L1", epoch, generation, body))
}

// connected begins a session.
func (w *world) connected() *world {
	w.step(brain.Connected{Session: "s1"})
	return w
}

func webSpec() fleet.Spec {
	return fleet.Spec{
		Image:   "web:1",
		Publish: []fleet.Publish{{Target: 8080, Protocol: "tcp"}},
		Probe:   &fleet.Probe{Type: fleet.ProbeHTTP, Port: 8080, Path: "/healthz"},
	}
}

// desired asks for the instances of shop/web, by id.
func desired(spec fleet.Spec, ids ...string) fleet.Desired {
	d := fleet.Desired{Host: "h1", Versions: map[string]fleet.Spec{"shop/web@1": spec}}
	for i, id := range ids {
		d.Instances = append(d.Instances, fleet.Assignment{ID: id, Service: shopWeb, Version: 1, Slot: i + 1, Goal: fleet.GoalRun, Cause: "cmd1"})
	}
	return d
}

func stopping(d fleet.Desired, id string) fleet.Desired {
	d.Instances = slices.Clone(d.Instances)
	for i := range d.Instances {
		if d.Instances[i].ID == id {
			d.Instances[i].Goal, d.Instances[i].Cause = fleet.GoalStop, "cmd2"
		}
	}
	return d
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
