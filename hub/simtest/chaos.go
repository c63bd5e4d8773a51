package simtest

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/agent/brain"
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
	err := c.Run(time.Duration(c.random.IntN(15)) * time.Second)
	for end := c.now.Add(during); err == nil && c.now.Before(end); {
		c.hurt()
		err = c.Run(c.between(time.Second, 8*time.Second))
	}
	if err == nil {
		err = c.mend()
	}
	return c.Sim, err
}

// found makes the hosts and the services.
func (c *chaos) found() {
	hosts := 3 + c.random.IntN(3)
	balancers := 1 + c.random.IntN(2)
	for i := range hosts {
		id := fmt.Sprintf("h%d", i+1)
		c.AddHost(id, i < balancers, nil)
		c.hosts[id].skew = c.between(-3*time.Second, 3*time.Second)
	}
	c.Open()
	_ = c.Run(3 * time.Second) // a violation ends the next run too
	c.apply("web:1")
}

// apply asks for the services with a version of the web's program. It says
// whether the hub took it.
func (c *chaos) apply(image string) bool {
	web := Web("web", 1+c.random.IntN(4), image)
	web.Balancing.DrainTimeout = fleet.Duration(10 * time.Second)
	api := Web("api", 1+c.random.IntN(2), "api:1")
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

// hurt does one random thing.
func (c *chaos) hurt() {
	id := c.names[c.random.IntN(len(c.names))]
	h := c.hosts[id]
	switch c.random.IntN(26) {
	case 0, 1:
		c.exitOne(h)
	case 2:
		c.Cut(id)
	case 3:
		c.Isolate(id)
	case 4, 5:
		c.Heal(id)
	case 6:
		c.Reset(id)
	case 7:
		c.PowerOff(id)
	case 8, 9:
		c.PowerOn(id)
	case 10:
		c.CrashAgent(id)
	case 11, 12, 13:
		c.StartAgent(id)
	case 14:
		c.hub.crashAt = []string{BeforeCommit, AfterCommit}[c.random.IntN(2)]
	case 15:
		c.hub.crash()
	case 16, 17, 18:
		c.hub.start()
	default:
		c.change(h)
	}
}

// change is an order, or something that people and machines do to a host.
func (c *chaos) change(h *host) {
	web := fleet.ServiceKey{Project: project, Name: "web"}
	switch c.random.IntN(17) {
	case 12:
		if h.agent == nil || !h.hearsHub() {
			c.order(fleet.Command{Do: fleet.DoHostFail, Host: h.id})
		}
	case 13:
		if h.haproxy != nil && h.agent == nil && c.order(fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: h.id, Name: balancerName}}) {
			c.forgotten[h.id] = true
		}
	case 14:
		extra := Web(fmt.Sprintf("a%d", c.random.IntN(2)), 1, "extra:1")
		c.order(fleet.Command{Do: fleet.DoApply, Project: project, Services: []fleet.Service{extra}})
	case 15:
		key := fleet.ServiceKey{Project: project, Name: []string{"a0", "a1", "web", "api"}[c.random.IntN(4)]}
		c.order(fleet.Command{Do: fleet.DoRemove, Service: key})
	case 16:
		if h.haproxy != nil && h.haproxy.current != nil {
			c.say(h.id, "its balancer is reloaded by hand")
			h.haproxy.launch()
		}
	case 0, 1:
		c.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: c.random.IntN(6)})
	case 2:
		c.versions++
		c.image(fmt.Sprintf("web:x%d", c.versions)).exits = c.random.IntN(3) == 0
		c.apply(fmt.Sprintf("web:x%d", c.versions))
	case 3:
		c.order(fleet.Command{Do: fleet.DoRestart, Service: web})
	case 4:
		c.order(fleet.Command{Do: fleet.DoHostDrain, Host: h.id})
	case 5:
		c.order(fleet.Command{Do: fleet.DoHostActivate, Host: h.id})
	case 6:
		c.say(h.id, "its engine is up: %v", h.engine.down)
		h.engine.down = !h.engine.down
	case 7:
		c.say(h.id, "its disk is full: %v", !h.full)
		h.full = !h.full
	case 8:
		c.hub.store.full = !c.hub.store.full
	case 9:
		c.crashBalancer(h)
	case 10:
		c.meddle(h)
	case 11:
		c.replay(h)
	}
}

// exitOne ends the program in one of the host's containers.
func (c *chaos) exitOne(h *host) {
	for _, x := range h.engine.sorted() {
		if x.instance != "" && x.State == brain.ContainerRunning && c.random.IntN(2) == 0 {
			h.engine.exit(x, 1)
			return
		}
	}
}

// meddle is somebody who stops, pauses or removes a container by hand.
func (c *chaos) meddle(h *host) {
	for _, x := range h.engine.sorted() {
		if x.instance == "" || c.random.IntN(2) == 0 {
			continue
		}
		c.say(h.id, "somebody meddles with %s of %s", x.ID, x.instance)
		switch c.random.IntN(3) {
		case 0:
			h.engine.notify(x.ID, "kill")
			h.engine.exit(x, 143)
		case 1:
			if x.State == brain.ContainerRunning {
				x.State = brain.ContainerPaused
				h.engine.notify(x.ID, "pause")
			}
		case 2:
			h.engine.exit(x, 137)
			delete(h.engine.containers, x.ID)
			h.engine.notify(x.ID, "destroy")
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
		h.engine.down, h.full = false, false
		c.Heal(id)
		c.PowerOn(id)
		c.StartAgent(id)
	}
	if err := c.Run(40 * time.Second); err != nil {
		return err
	}
	for _, id := range c.names {
		c.order(fleet.Command{Do: fleet.DoHostActivate, Host: id})
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
