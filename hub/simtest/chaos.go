package simtest

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// chaos breaks a fleet at random and mends it.
type chaos struct {
	*Sim
	wishes   []*wish
	versions int
	secrets  map[string]string // values that the file has beside it, by their names
	clocks   clocks
	kept     map[string][]byte // messages from some time ago, by topic
	last     fleet.Command     // the last order
	urging   bool
	calm     bool          // nothing breaks
	respite  time.Duration // after all is mended
}

func newChaos(options Options) *chaos {
	return &chaos{Sim: New(options), kept: map[string][]byte{}, secrets: map[string]string{}, clocks: clocks(options.Seed % 3), respite: 10 * time.Second}
}

// hurt does one random thing. Most of what it breaks is mended after a while.
func (c *chaos) hurt() {
	id := c.names[c.chance("chaos").IntN(len(c.names))]
	h := c.hosts[id]
	switch c.chance("chaos").IntN(26) {
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
		c.stop(h)
		c.later(func() { c.StartAgent(id) })
	case 8:
		c.hub.crashAt = []string{BeforeCommit, AfterCommit}[c.chance("chaos").IntN(2)]
		c.later(c.hub.start)
	case 9:
		c.hub.crash()
		c.later(c.hub.start)
	case 10:
		c.split()
	case 11:
		other := c.names[c.chance("chaos").IntN(len(c.names))]
		c.Wall(id, other)
		c.later(func() { c.Unwall(id, other) })
	case 12, 13, 14, 15:
		c.wear(h)
	default:
		c.ask(h)
	}
}

// exchange gives a host an agent of another release, which knows what is new of
// balancers, or doesn't.
func (c *chaos) exchange(h *host, older bool) {
	if h.haproxy == nil || h.older == older || h.off {
		return
	}
	c.say(h.id, "gets another agent (older: %t)", older)
	c.CrashAgent(h.id)
	h.older = older
	c.after(time.Second, func() { c.StartAgent(h.id) }) // what the engine is at has ended then
}

// siege takes a balancer's host away for longer than the hub waits for one,
// while a service has to change.
func (c *chaos) siege() {
	d := c.chance("siege")
	id := c.names[0]
	switch d.IntN(4) {
	case 0, 1:
		c.Cut(id)
	case 2:
		c.CrashAgent(id)
	case 3:
		c.PowerOff(id)
	}
	c.after(d.between(45*time.Second, 100*time.Second), func() {
		c.Heal(id)
		c.PowerOn(id)
		c.StartAgent(id)
	})
	c.after(d.between(0, 15*time.Second), func() {
		c.send(fleet.Command{Do: fleet.DoRestart, Service: c.wishes[d.IntN(len(c.wishes))].Key})
	})
}

// split parts many hosts from the hub at once, as a network does.
func (c *chaos) split() {
	var gone []string
	for _, id := range c.names {
		if c.chance("chaos").IntN(2) == 0 {
			c.Cut(id)
			gone = append(gone, id)
		}
	}
	c.later(func() {
		for _, id := range gone {
			c.Heal(id)
		}
	})
}

// later mends something, after a moment or after long; now and then it stays
// broken to the end.
func (c *chaos) later(mend func()) {
	longest := 5 * time.Second
	switch c.chance("chaos").IntN(8) {
	case 0:
		return
	case 1, 2, 3:
		longest = time.Minute
	}
	c.after(c.chance("chaos").between(100*time.Millisecond, longest), mend)
}

// mend puts everything right that was broken and waits. Clocks stay as they
// are: nothing depends on them.
func (c *chaos) mend() error {
	c.say("chaos", "ends; everything is mended")
	c.hub.crashAt = ""
	c.hub.store.full, c.hub.store.slow = false, 0
	c.hub.start()
	c.walls = map[[2]string]bool{}
	for _, id := range c.names {
		h := c.hosts[id]
		h.engine.down, h.full, h.slow = false, false, 0
		h.engine.goOn()
		for _, x := range h.engine.sorted() {
			x.Problem, x.steady = "", c.now
		}
		c.Heal(id)
		c.PowerOn(id)
		c.StartAgent(id)
		c.exchange(h, false) // rollouts wait for that
		h.note()
	}
	if err := c.Run(c.respite); err != nil {
		return err
	}
	if c.checker.restored > 0 { // what changed since the backup is frozen by then
		if err := c.Run(c.options.Turn.UnknownFor); err != nil {
			return err
		}
	}
	c.settle()
	for range 3 { // who has been told to leave does so first
		if err := c.Run(5 * time.Second); err != nil {
			return err
		}
		c.rejoin()
	}
	c.promote()
	c.rerun()
	c.hub.lenient = true
	for _, id := range c.names {
		if c.checker.forgotten[id] {
			c.CrashAgent(id) // a balancer comes back with another start of its agent
			c.StartAgent(id)
		}
	}
	for range 90 { // what is being removed can't be applied yet
		if c.apply(fleet.Command{Prune: true}) {
			break
		}
		if err := c.Run(2 * time.Second); err != nil {
			return err
		}
	}
	return c.Await(5 * time.Minute)
}

// settle takes back what people asked for in the meantime.
func (c *chaos) settle() {
	for _, id := range c.names {
		c.order(fleet.Command{Do: fleet.DoHostActivate, Host: id})
		c.order(fleet.Command{Do: fleet.DoUnfreeze, Host: id})
	}
	c.startAll()
	for _, w := range c.wishes {
		if c.checker.services[w.Key].Frozen {
			c.order(fleet.Command{Do: fleet.DoUnfreeze, Service: w.Key})
		}
		w.absent = false
		if w.hopeless {
			c.bad[w.Key] = true
		} else {
			w.Spec.Image = w.Key.Name + ":1"
		}
	}
}
