package simtest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// TestChecksBite switches guards off, one at a time, and wants the checker to
// notice. A check that can't fail is worth nothing.
func TestChecksBite(t *testing.T) {
	tests := []struct {
		name     string
		sabotage func(*Options)
		want     string
	}{
		{"balancers say that busy endpoints are drained", func(o *Options) { o.Sabotage.DrainedAtOnce = true }, "exchanges with it"},
		{"balancers go on sending to what drains", func(o *Options) { o.Sabotage.DrainedAtOnce, o.Sabotage.DeafToDrains = true, true }, "sends to it"},
		{"reports call everything ready", func(o *Options) { o.Sabotage.EarlyReady = true }, "no agent called ready"},
		{"agents stop what nobody asked for", func(o *Options) { o.Sabotage.StopUnasked = true }, "without an order"},
		{"agents touch what isn't theirs", func(o *Options) { o.Sabotage.TouchForeign = true }, "isn't its own"},
		{"an agent's start restarts its containers", func(o *Options) { o.Sabotage.RestartAtBoot = true }, "without an order"},
		{"the hub's disk forgets", func(o *Options) { o.Sabotage.ForgetCommits = true }, "is acknowledged, but"},
		{"the hub tells what it hasn't stored", func(o *Options) { o.Sabotage.PublishFirst = true }, "isn't committed"},
		{"agents forget what they accepted", func(o *Options) { o.Sabotage.BelieveOldState = true }, "went back"},
		{"silent balancers are given up at once", func(o *Options) { o.Turn.UnreachableAfter = time.Nanosecond }, "as unreachable"},
		{"released ports are given away at once", func(o *Options) {
			o.Ports, o.Turn.PortHold, o.Timing.Quarantine = 6, time.Nanosecond, time.Nanosecond
		}, "which was released"},
	}
	if err := busyDay(DefaultOptions()); err != nil {
		t.Fatalf("with all guards in place: %v", err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			options := DefaultOptions()
			test.sabotage(&options)
			err := busyDay(options)
			if !errors.Is(err, ErrViolated) || !strings.Contains(strings.SplitN(err.Error(), "\n", 2)[0], test.want) {
				t.Fatalf("want a violation with %q, got %.300v", test.want, err)
			}
		})
	}
}

// busyDay is a fleet in which everything that the checks look at happens:
// scaling under load, a new version, a killed agent, a restarted hub, a lost
// balancer and restarts.
func busyDay(o Options) error {
	s := New(o)
	habits["slow"](s.image("web:2")) // so that a balancer finds it well before its agent does
	web := fleet.ServiceKey{Project: project, Name: "web"}
	for _, id := range []string{"a", "b", "c", "d"} {
		s.AddHost(id, id == "a" || id == "d")
	}
	s.Open()
	d := &day{sim: s}
	d.run(2 * time.Second)
	d.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{Web("web", 6, "web:1")}})
	d.run(20 * time.Second)
	d.connectAll(web, 8*time.Second)
	d.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 3})
	d.run(20 * time.Second)
	d.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{Web("web", 4, "web:2")}})
	d.run(60 * time.Second)
	s.CrashAgent("b")
	d.run(time.Second)
	s.StartAgent("b")
	d.run(2 * time.Second)
	s.PowerOff("d")
	d.run(12 * time.Second)
	d.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 2})
	d.run(10 * time.Second)
	s.hub.crash()
	d.run(2 * time.Second)
	s.hub.start()
	s.PowerOn("d")
	d.run(20 * time.Second)
	for range 4 {
		d.order(fleet.Command{Do: fleet.DoRestart, Service: web})
		d.run(40 * time.Second)
	}
	if d.err == nil {
		d.err = s.Await(2 * time.Minute)
	}
	return d.err
}

// day stops at the first error.
type day struct {
	sim *Sim
	err error
}

func (d *day) run(wait time.Duration) {
	if d.err == nil {
		d.err = d.sim.Run(wait)
	}
}

func (d *day) order(c fleet.Command) {
	if d.err == nil {
		_, d.err = d.sim.Order(c)
	}
}

// connectAll opens a long connection to every instance.
func (d *day) connectAll(service fleet.ServiceKey, lasts time.Duration) {
	for _, in := range d.sim.hub.state.View(d.sim.hub.now()).Instances(service, "") {
		d.sim.Connect(service, in.ID, lasts)
	}
}
