package simtest

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// chaos breaks a fleet at random and mends it.
type chaos struct {
	*Sim
	versions  int
	kept      map[string][]byte // a desired state of each host from some time ago
	forgotten map[string]bool   // hosts whose balancer a person gave up
}

// RandomOptions are those of a fleet on a network that isn't perfect.
func RandomOptions(seed uint64) Options {
	o := DefaultOptions()
	o.Seed = seed
	o.Network.Jitter = time.Duration(seed%5) * 10 * time.Millisecond
	o.Network.Loss = float64(seed%4) * 0.02
	return o
}

// Torment brings a fleet up, breaks it at random for a while, mends what was
// broken, and waits until it has converged.
func Torment(options Options, during time.Duration) (*Sim, error) {
	c := &chaos{Sim: New(options), kept: map[string][]byte{}, forgotten: map[string]bool{}}
	c.found()
	err := c.Run(time.Duration(c.chance("chaos").IntN(15)) * time.Second)
	for end := c.now.Add(during); err == nil && c.now.Before(end); {
		c.hurt()
		err = c.Run(c.chance("chaos").between(time.Second, 8*time.Second))
	}
	if err == nil {
		err = c.mend()
	}
	return c.Sim, err
}

// found makes the hosts and the services.
func (c *chaos) found() {
	hosts := 3 + c.chance("chaos").IntN(3)
	balancers := 1 + c.chance("chaos").IntN(2)
	for i := range hosts {
		id := fmt.Sprintf("h%d", i+1)
		c.AddHost(id, i < balancers, nil)
		c.hosts[id].skew = c.chance("chaos").between(-3*time.Second, 3*time.Second)
	}
	c.Open()
	_ = c.Run(3 * time.Second) // a violation ends the next run too
	c.apply("web:1")
}

// apply asks for the services with a version of the web's program. It says
// whether the hub took it.
func (c *chaos) apply(image string) bool {
	web := Web("web", 1+c.chance("chaos").IntN(4), image)
	web.Balancing.DrainTimeout = fleet.Duration(10 * time.Second)
	if c.chance("chaos").IntN(3) == 0 { // the same listener, another port and check
		web.Spec.Publish[0].Target, web.Spec.Probe.Port = 81, 81
		web.Balancing.Routes[0].Target, web.Balancing.Check.Path = 81, "/ready"
	}
	api := Web("api", 1+c.chance("chaos").IntN(2), "api:1")
	job := Web("job", 1, "job:1")
	job.Balancing = nil
	data := Web("data", 1, "data:1")
	data.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	fixed := Web("fixed", 1, "fixed:1")
	fixed.Balancing, fixed.Spec.Publish[0].HostPort = nil, 9100
	watch := Web("watch", 0, "watch:1")
	watch.Balancing, watch.Mode = nil, fleet.ModeGlobal
	return c.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{api, data, fixed, job, watch, web}})
}

// order may fail: the hub may be down.
func (c *chaos) order(command fleet.Command) bool {
	_, err := c.Order(command)
	if err != nil {
		c.say("operator", "is refused: %.100v", err)
	}
	return err == nil
}

// hurt does one random thing. Most of what it breaks is mended after a while.
func (c *chaos) hurt() {
	id := c.names[c.chance("chaos").IntN(len(c.names))]
	h := c.hosts[id]
	switch c.chance("chaos").IntN(20) {
	case 0:
		c.exitOne(h)
	case 1:
		c.Cut(id)
		c.later(func() { c.Heal(id) })
	case 2:
		c.Isolate(id)
		c.later(func() { c.Heal(id) })
	case 3:
		c.Reset(id)
	case 4:
		c.PowerOff(id)
		c.later(func() { c.PowerOn(id) })
	case 5, 6:
		c.CrashAgent(id)
		c.later(func() { c.StartAgent(id) })
	case 7:
		c.hub.crashAt = []string{BeforeCommit, AfterCommit}[c.chance("chaos").IntN(2)]
		c.later(c.hub.start)
	case 8:
		c.hub.crash()
		c.later(c.hub.start)
	case 9, 10:
		c.wear(h)
	default:
		c.ask(h)
	}
}

// later mends something, after a moment or after long.
func (c *chaos) later(mend func()) {
	longest := 5 * time.Second
	if c.chance("chaos").IntN(2) == 0 {
		longest = time.Minute
	}
	c.after(c.chance("chaos").between(100*time.Millisecond, longest), mend)
}

// wear is what happens to a machine.
func (c *chaos) wear(h *host) {
	switch c.chance("chaos").IntN(9) {
	case 0:
		c.say(h.id, "its engine hangs")
		h.engine.down = true
		c.later(func() { h.engine.down = false })
	case 1:
		c.say(h.id, "its disk is full")
		h.full = true
		c.later(func() { h.full = false })
	case 2:
		c.say("hub", "its disk is full")
		c.hub.store.full = true
		c.later(func() { c.hub.store.full = false })
	case 3:
		c.crashBalancer(h)
	case 4:
		c.meddle(h)
	case 5:
		c.replay(h)
	case 6:
		if h.haproxy != nil && h.haproxy.current != nil {
			c.say(h.id, "its balancer is reloaded by hand")
			h.haproxy.launch()
		}
	case 7:
		c.hide(h)
	case 8:
		c.say(h.id, "its disk is slow")
		h.slow = c.chance("chaos").between(time.Second, 20*time.Second)
		c.later(func() { h.slow = 0 })
	}
}

// hide has the engine list a container and tell no more of it.
func (c *chaos) hide(h *host) {
	for _, x := range h.engine.sorted() {
		if x.instance == "" || c.chance("chaos").IntN(2) == 0 {
			continue
		}
		c.say(h.id, "%s of %s can't be inspected", x.ID, x.instance)
		x.Problem = "it can't be inspected"
		c.later(func() { x.Problem = "" })
		return
	}
}

// ask is an order of a person's.
func (c *chaos) ask(h *host) {
	key := fleet.ServiceKey{Project: project, Name: []string{"web", "web", "web", "api", "fixed", "a0"}[c.chance("chaos").IntN(6)]}
	switch c.chance("chaos").IntN(13) {
	case 0, 1, 2:
		c.order(fleet.Command{Do: fleet.DoScale, Service: key, Count: c.chance("chaos").IntN(6)})
	case 3, 4:
		c.versions++
		c.image(fmt.Sprintf("web:x%d", c.versions)).exits = c.chance("chaos").IntN(3) == 0
		c.apply(fmt.Sprintf("web:x%d", c.versions))
	case 5, 6:
		c.order(fleet.Command{Do: fleet.DoRestart, Service: key})
	case 7:
		c.order(fleet.Command{Do: fleet.DoHostDrain, Host: h.id})
		c.later(func() { c.hub.put(turn.CommandIn{Command: fleet.Command{Do: fleet.DoHostActivate, Host: h.id}}, nil) })
	case 8:
		if h.agent == nil || !h.hearsHub() {
			lost := c.chance("chaos").IntN(3) == 0
			if c.order(fleet.Command{Do: fleet.DoHostFail, Host: h.id, DataLost: lost}) && lost {
				c.checker.dataLost(h.id)
			}
		}
	case 9:
		if h.haproxy != nil && h.agent == nil && c.order(fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: h.id, Name: balancerName}}) {
			c.forgotten[h.id] = true
			c.checker.gaveUpBalancer(h.id)
		}
	case 10:
		extra := Web(fmt.Sprintf("a%d", c.chance("chaos").IntN(2)), 1, "extra:1")
		c.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{extra}})
	case 11:
		c.order(fleet.Command{Do: fleet.DoRemove, Service: key})
	case 12:
		c.order(fleet.Command{Do: fleet.DoFreeze, Host: h.id})
		c.later(func() { c.hub.put(turn.CommandIn{Command: fleet.Command{Do: fleet.DoUnfreeze, Host: h.id}}, nil) })
	}
}

// exitOne ends the program in one of the host's containers.
func (c *chaos) exitOne(h *host) {
	for _, x := range h.engine.sorted() {
		if x.instance != "" && x.State == brain.ContainerRunning && c.chance("chaos").IntN(2) == 0 {
			h.engine.exit(x, 1)
			return
		}
	}
}

// meddle is somebody who stops, pauses or removes a container by hand.
func (c *chaos) meddle(h *host) {
	for _, x := range h.engine.sorted() {
		if x.instance == "" || c.chance("chaos").IntN(2) == 0 {
			continue
		}
		c.say(h.id, "somebody meddles with %s of %s", x.ID, x.instance)
		switch c.chance("chaos").IntN(3) {
		case 0:
			h.engine.notify(brain.Noticed{Container: x.ID, Action: "kill", Signal: 15})
			h.engine.exit(x, 143)
		case 1:
			if x.State == brain.ContainerRunning {
				x.State = brain.ContainerPaused
				h.engine.notify(brain.Noticed{Container: x.ID, Action: "pause"})
			}
		case 2:
			h.engine.exit(x, 137)
			delete(h.engine.containers, x.ID)
			h.engine.notify(brain.Noticed{Container: x.ID, Action: "destroy"})
		}
		return
	}
}

func (c *chaos) crashBalancer(h *host) {
	if h.haproxy != nil && h.haproxy.current != nil {
		c.say(h.id, "its balancer crashes")
		h.haproxy.end()
		if h.agent != nil {
			h.agent.driver.wake(0)
		}
	}
}

// replay gives an agent a desired state from some time ago, and keeps one.
func (c *chaos) replay(h *host) {
	topic := wire.Host(h.id, wire.LeafDesired)
	if old := c.kept[h.id]; old != nil && h.agent != nil {
		c.say(h.id, "gets an old desired state again")
		h.agent.message(topic, old)
	}
	if raw := c.hub.broker.retained[topic]; raw != nil {
		c.kept[h.id] = raw
	}
}

// mend puts everything right that was broken and waits.
func (c *chaos) mend() error {
	c.say("chaos", "ends; everything is mended")
	c.hub.crashAt = ""
	c.hub.store.full = false
	c.hub.start()
	for _, id := range c.names {
		h := c.hosts[id]
		h.engine.down, h.full, h.slow = false, false, 0
		for _, x := range h.engine.sorted() {
			x.Problem = ""
		}
		c.Heal(id)
		c.PowerOn(id)
		c.StartAgent(id)
	}
	if err := c.Run(10 * time.Second); err != nil {
		return err
	}
	for _, id := range c.names {
		c.order(fleet.Command{Do: fleet.DoHostActivate, Host: id})
		c.order(fleet.Command{Do: fleet.DoUnfreeze, Host: id})
		if c.forgotten[id] {
			c.CrashAgent(id) // a balancer comes back with another start of its agent
			c.StartAgent(id)
		}
	}
	for range 60 { // what is being removed can't be applied yet
		if c.apply("web:1") {
			break
		}
		if err := c.Run(2 * time.Second); err != nil {
			return err
		}
	}
	return c.Await(5 * time.Minute)
}
