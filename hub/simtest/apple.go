package simtest

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// appleWithin is how long services may take to change beside a bad one.
const appleWithin = 4 * time.Minute

// apple adds one bad service to the fleet, breaks one host for good, and wants
// every other service to become what people then ask for.
func (c *chaos) apple() error {
	d := c.chance("apple")
	c.promote()
	for _, id := range c.names {
		c.exchange(c.hosts[id], false) // rollouts wait for that
	}
	c.wishes = append(c.wishes, c.hopeless(len(c.wishes)))
	c.apply(fleet.Command{})
	var broken *host
	mend := func() {}
	if last := c.hosts[c.names[len(c.names)-1]]; last.haproxy == nil && len(c.names) > 1 {
		broken, mend = last, c.rot(last)
	}
	for range 3 {
		w := c.wishes[d.IntN(len(c.wishes)-1)]
		switch d.IntN(3) {
		case 0:
			c.order(fleet.Command{Do: fleet.DoScale, Service: w.Key, Count: c.countFor(w)})
		case 1:
			c.order(fleet.Command{Do: fleet.DoRestart, Service: w.Key})
		case 2:
			c.versions++
			if !w.hopeless {
				w.Spec.Image = fmt.Sprintf("%s:good%d", w.Key.Name, c.versions)
			}
			c.apply(fleet.Command{})
		}
		if err := c.Run(d.between(time.Second, 5*time.Second)); err != nil {
			return err
		}
	}
	err := c.await(appleWithin, func() string { return c.others(broken) })
	mend()
	return err
}

// rot breaks a host for good, and returns what mends it.
func (c *chaos) rot(h *host) func() {
	switch c.chance("apple").IntN(4) {
	case 0:
		c.say(h.id, "its engine hangs")
		h.engine.hang()
		return h.engine.goOn
	case 1:
		c.say(h.id, "its disk is full")
		h.full = true
		return func() { h.full = false }
	case 2:
		c.Isolate(h.id)
		return func() { c.Heal(h.id) }
	}
	c.CrashAgent(h.id)
	return func() { c.StartAgent(h.id) }
}

// others says which service isn't as it was asked for, though it has nothing to do
// with what is bad.
func (c *chaos) others(broken *host) string {
	view := c.hub.state.View(c.hub.now())
	excused := c.excused(view, broken)
	for _, v := range view.Services("") {
		if excused[v.Key] || c.waitsFor(v, excused) || v.State == fleet.ServiceCompleted {
			continue
		}
		if v.State != fleet.ServiceConverged {
			return fmt.Sprintf("beside a bad service or host %s is %s: %v", v.Key, v.State, v.Reasons)
		}
	}
	return ""
}

// excused are the services that are bad, have something on the broken host, or can't
// do without it.
func (c *chaos) excused(view turn.View, broken *host) map[fleet.ServiceKey]bool {
	excused := map[fleet.ServiceKey]bool{}
	if broken != nil {
		for _, in := range view.Instances(fleet.ServiceKey{}, broken.id) {
			excused[in.Service] = true
		}
	}
	for _, v := range view.Services("") {
		w := c.wished(v.Key)
		if w == nil || w.hopeless || broken != nil && c.needsAll(w, v.Desired) {
			excused[v.Key] = true
		}
	}
	return excused
}

// needsAll says whether so many instances can't do with one host less: they are
// to be on each, or a host can have only one with their port, or only so many.
func (c *chaos) needsAll(w *wish, count int) bool {
	most := w.MostPerHost
	if len(w.Spec.FixedPorts()) > 0 {
		most = 1
	}
	return w.Mode == fleet.ModeGlobal || most > 0 && count > most*(c.eligible(w)-1)
}
