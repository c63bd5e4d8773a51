package simtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// order may fail: the hub may be down, or refuse.
func (c *chaos) order(command fleet.Command) bool {
	c.last = command
	c.last.ID = c.nextOrder()
	return c.give(c.last)
}

func (c *chaos) give(command fleet.Command) bool {
	_, err := c.hub.order(command)
	if err != nil {
		c.say("operator", "is refused: %.100v", err)
	}
	c.mayHaveLost(command, err)
	return err == nil
}

// mayHaveLost: what a hub was told that crashed may count all the same.
func (c *chaos) mayHaveLost(command fleet.Command, err error) {
	if command.DataLost && (err == nil || errors.Is(err, errHubDown)) {
		c.checker.dataLost(command.Host)
	}
}

// ask is an order of a person's.
func (c *chaos) ask(h *host) {
	d := c.chance("orders")
	w := c.wishes[d.IntN(len(c.wishes))]
	switch d.IntN(17) {
	case 0, 1, 2:
		c.order(fleet.Command{Do: fleet.DoScale, Service: w.Key, Count: c.countFor(w)})
	case 3, 4, 5:
		c.change(w)
		c.apply(fleet.Command{Prune: d.IntN(4) == 0})
	case 6, 7:
		c.order(fleet.Command{Do: fleet.DoRestart, Service: w.Key})
	case 8:
		c.order(fleet.Command{Do: fleet.DoHostDrain, Host: h.id})
		c.later(func() { c.send(fleet.Command{Do: fleet.DoHostActivate, Host: h.id}) })
	case 9:
		if h.agent == nil || !h.hearsHub() {
			c.order(fleet.Command{Do: fleet.DoHostFail, Host: h.id, DataLost: d.IntN(3) == 0})
		}
	case 10:
		if h.haproxy != nil && (h.agent == nil || h.haproxy.current == nil) {
			c.order(fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: h.id, Name: balancerName}})
		}
	case 11:
		c.order(fleet.Command{Do: fleet.DoRemove, Service: w.Key})
	case 12:
		c.order(fleet.Command{Do: fleet.DoFreeze, Host: h.id})
		c.later(func() { c.send(fleet.Command{Do: fleet.DoUnfreeze, Host: h.id}) })
	case 13:
		c.order(fleet.Command{Do: fleet.DoFreeze, Service: w.Key})
		c.later(func() { c.send(fleet.Command{Do: fleet.DoUnfreeze, Service: w.Key}) })
	case 14: // somebody who isn't sure that it was heard, or looks first
		if d.IntN(2) == 0 && c.last.ID != "" {
			c.give(c.last)
		} else {
			c.apply(fleet.Command{DryRun: true})
		}
	case 16:
		c.remove(h)
	case 15:
		c.order(fleet.Command{Do: fleet.DoScale, Service: w.Key, Count: c.countFor(w), IfMatch: c.checker.services[w.Key].Generation - uint64(d.IntN(2))})
	}
}

// countFor is one that the fleet can have.
func (c *chaos) countFor(w *wish) int {
	d := c.chance("orders")
	most := 5
	if len(w.Spec.FixedPorts()) > 0 {
		most = c.eligible(w)
	}
	if w.MostPerHost > 0 {
		most = min(most, w.MostPerHost*c.eligible(w))
	}
	return d.IntN(most + 1)
}

// change edits a service in the file. Where its program is a bad one the file
// says so until somebody edits it again.
func (c *chaos) change(w *wish) {
	d := c.chance("orders")
	switch d.IntN(6) {
	case 0:
		w.absent = !w.absent && !w.hopeless && len(c.wishes) > 2
	case 1:
		if w.Mode == fleet.ModeReplicated {
			w.Count = c.countFor(w)
		}
	case 2: // the same listener, another port and check
		if w.Balancing != nil && !w.hopeless {
			w.moves()
		}
	case 3:
		if w.Balancing != nil {
			w.Balancing.DrainTimeout = fleet.Duration(d.between(2*time.Second, 10*time.Second))
		}
	default:
		if w.hopeless {
			return
		}
		c.versions++
		w.Spec.Image = fmt.Sprintf("%s:x%d", w.Key.Name, c.versions)
		c.image(w.Spec.Image).errs = c.chance("rollouts").IntN(6) == 0
		switch d.IntN(8) {
		case 0:
			c.image(w.Spec.Image).exits = true
		case 1:
			c.image(w.Spec.Image).neverReady = true
		case 2:
			c.image(w.Spec.Image).ignoresTerm = true
		case 3:
			c.image(w.Spec.Image).missing = true
		}
	}
}

// moves has the service's first route lead to another port of its containers.
func (w *wish) moves() {
	from, to, path := 80, 81, "/ready"
	if w.Balancing.Routes[0].Target == 81 {
		from, to, path = 81, 80, "/healthz"
	}
	for i := range w.Spec.Publish {
		if w.Spec.Publish[i].Target == from {
			w.Spec.Publish[i].Target = to
		}
	}
	w.Spec.Probe.Port = to
	w.Balancing.Routes[0].Target, w.Balancing.Check.Path = to, path
}
