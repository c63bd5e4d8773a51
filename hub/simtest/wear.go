package simtest

import (
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// wear is what happens to a machine.
func (c *chaos) wear(h *host) {
	d := c.chance("chaos")
	switch d.IntN(15) {
	case 0:
		c.say(h.id, "its engine is down")
		h.engine.down = true
		c.later(func() { h.engine.down = false })
	case 1, 2:
		c.say(h.id, "its engine hangs")
		h.engine.hang()
		c.later(h.engine.goOn)
	case 3:
		c.say(h.id, "its disk is full")
		h.full = true
		c.later(func() { h.full = false })
	case 4:
		c.say(h.id, "its disk is slow")
		h.slow = d.between(time.Second, 20*time.Second)
		c.later(func() { h.slow = 0 })
	case 5:
		c.say("hub", "its disk is full")
		c.hub.store.full = true
		c.later(func() { c.hub.store.full = false })
	case 6:
		c.say("hub", "its disk is slow")
		c.hub.store.slow = d.between(20*time.Millisecond, 3*time.Second)
		c.later(func() { c.hub.store.slow = 0 })
	case 7:
		c.crashBalancer(h)
	case 8:
		c.meddle(h)
	case 9:
		c.replay(h)
	case 10:
		if h.haproxy != nil && h.haproxy.current != nil {
			c.say(h.id, "its balancer is reloaded by hand")
			h.haproxy.launch()
		}
	case 11:
		c.hide(h)
	case 12:
		c.jump(h)
	case 13:
		c.wipe(h)
	case 14:
		c.say(h.id, "its next desired state comes damaged")
		h.damage = true
	}
}

// jump puts a clock to another time: the host's, or that of the hub's machine.
func (c *chaos) jump(h *host) {
	switch c.clocks {
	case hostClocks:
		h.skew = c.off(3 * time.Hour)
		c.say(h.id, "its clock is off by %s", h.skew.Round(time.Second))
	case hubClock:
		c.hub.skew = c.off(3 * time.Hour)
		c.say("hub", "its machine's clock is off by %s", c.hub.skew.Round(time.Second))
	}
}

// wipe loses what a host's agent knew.
func (c *chaos) wipe(h *host) {
	c.CrashAgent(h.id)
	c.say(h.id, "its agent's disk is lost")
	h.disk = nil
	c.checker.diskLost(h.id)
	c.later(func() { c.StartAgent(h.id) })
}

// hide has the engine list a container and tell no more of it.
func (c *chaos) hide(h *host) {
	for _, x := range h.engine.sorted() {
		if x.instance == "" || c.chance("chaos").IntN(2) == 0 {
			continue
		}
		c.say(h.id, "%s of %s can't be inspected", x.ID, x.instance)
		x.Problem = "it can't be inspected"
		c.later(func() { x.Problem, x.steady = "", c.now })
		return
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
		switch c.chance("chaos").IntN(4) {
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
		case 3:
			h.engine.imitate(x)
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

// replay gives an agent messages again: a desired state or a pool from some
// time ago, as a broker may whose retained messages race with newer ones, and
// keeps those that there are now. An agent that has accepted nothing yet gets
// none: to whoever connects anew a broker says what holds, and who has no memory
// can't know better.
func (c *chaos) replay(h *host) {
	topics := []string{wire.Host(h.id, wire.LeafDesired)}
	for _, w := range c.wishes {
		topics = append(topics, wire.Pool(h.id, w.Key))
	}
	for _, topic := range topics {
		if old := c.kept[topic]; old != nil && h.agent != nil && c.checker.accepted[h.id].Epoch > 0 {
			c.say(h.id, "gets an old message on %s again", topic)
			h.agent.message(topic, old)
		}
		if raw := c.hub.broker.retained[topic]; raw != nil && c.chance("replays").IntN(3) == 0 {
			c.kept[topic] = raw
		}
	}
}

// stop ends a host's agent as its unit does: it says so first.
func (c *chaos) stop(h *host) {
	if a := h.agent; a != nil {
		state := []string{fleet.PresenceStopping, fleet.PresenceUpgrading}[c.chance("chaos").IntN(2)]
		c.say(h.id, "its agent is %s", state)
		presence := a.brain.Presence(state)
		a.send(wire.LeafPresence, 0, &presence)
		c.after(50*time.Millisecond, func() {
			if h.agent == a {
				c.CrashAgent(h.id)
			}
		})
	}
}
