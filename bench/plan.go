package main

import (
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// The fleet for which the planning of one change is measured.
const (
	planHosts     = 1000
	planBalancers = 3 // hosts with one
	planServices  = 100
	planCount     = 100 // instances of each service
	planRuns      = 20
)

// plan measures one turn of the hub's brain with a large fleet that has
// converged. A turn that isn't folded in leaves no trace, so the same one is
// taken again and again.
func (b *bench) plan(context.Context) (result, error) {
	m := newMirror()
	for i := range planHosts {
		m.join(fmt.Sprintf("host-%04d", i), i < planBalancers)
	}
	for i := range planServices {
		if err := m.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{planned(i, planCount, "app:1")}}); err != nil {
			return result{}, err
		}
	}
	if err := m.converge(); err != nil {
		return result{}, err
	}
	one := planned(0, planCount, "app:2")
	r := result{
		notes: fmt.Sprintf("One turn of the hub's brain, without the store and the network: %d hosts, %d of them with a balancer, and %d services of %d instances each, all converged. Each of %d times.", planHosts, planBalancers, planServices, planCount, planRuns),
	}
	var worst time.Duration
	for _, turned := range []struct {
		what   string
		inputs []turn.Input
		change bool
	}{
		{"a service gets one instance more", []turn.Input{turn.CommandIn{Command: fleet.Command{ID: "scale", Do: fleet.DoScale, Service: one.Key, Count: planCount + 1}}}, true},
		{"a service gets another image", []turn.Input{turn.CommandIn{Command: fleet.Command{ID: "apply", Do: fleet.DoApply, Project: project, Services: []fleet.Service{one}}}}, true},
		{"an instance becomes unready", []turn.Input{m.unready("host-0500")}, true},
		{"a host is drained", []turn.Input{turn.CommandIn{Command: fleet.Command{ID: "drain", Do: fleet.DoHostDrain, Host: "host-0500"}}}, false},
		{"a sign of life", []turn.Input{m.beat("host-0500")}, false},
		{"a balancer's host reports the same", []turn.Input{m.report("host-0000")}, false},
		{"a tick", []turn.Input{turn.Tick{}}, false},
	} {
		var took series
		for range planRuns {
			began := time.Now()
			_, out := turn.Step(m.state, turned.inputs, m.now)
			took = append(took, time.Since(began))
			if reply, isCommand := out.Replies[0]; isCommand && reply.Err != nil {
				return result{}, fmt.Errorf("%s: %w", turned.what, reply.Err)
			}
		}
		r.times(turned.what, took)
		if turned.change {
			worst = max(worst, took.median())
		}
	}
	r.headline = fmt.Sprintf("**One change of a service in a fleet of %d instances is planned within %s.**", planServices*planCount, show(worst))
	r.targetTime(fmt.Sprintf("planning one change, %d x %d instances on %d hosts", planServices, planCount, planHosts), 50*time.Millisecond, worst)
	return r, nil
}

func planned(i, count int, image string) fleet.Service {
	return fleet.Service{
		Key: fleet.ServiceKey{Project: project, Name: fmt.Sprintf("web-%03d", i)}, Mode: fleet.ModeReplicated, Count: count, CountStated: true,
		Spec: fleet.Spec{
			Image: image, Environment: map[string]string{"GREETING": "hello", "LEVEL": "info"},
			Publish: []fleet.Publish{{Target: 8080, Protocol: "tcp"}}, Resources: fleet.Resources{MemoryLimit: 64 << 20},
		},
		Balancing: &fleet.Balancing{
			Routes: []fleet.Route{{Target: 8080, Listen: []int{10000 + i}, Protocol: fleet.ProtocolHTTP}},
			Check:  fleet.Check{Type: "http", Path: "/healthz"},
		},
	}
}
