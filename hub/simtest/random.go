package simtest

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// RandomOptions are those of a fleet on a network that isn't perfect. People
// are told soon what doesn't get on.
func RandomOptions(seed uint64) Options {
	o := DefaultOptions()
	o.Seed = seed
	o.Network.Jitter = time.Duration(seed%5) * 10 * time.Millisecond
	o.Network.Loss = float64(seed%4) * 0.02
	o.Network.Repeat = float64(seed%3) * 0.02
	o.Ports = 100 * int(1+9*(seed%2)) // few: they are soon wanted again
	o.Turn.ReadyAfter, o.Turn.BarrierAfter, o.Turn.StopAfter = 30*time.Second, 20*time.Second, 30*time.Second
	return o
}

// Torment brings a random fleet up, breaks it at random for a while, mends
// what was broken, and waits until it has converged.
func Torment(options Options) (*Sim, error) {
	c := newChaos(options)
	c.found()
	err := c.Run(time.Duration(c.chance("chaos").IntN(15)) * time.Second)
	if err == nil && c.chance("apple").IntN(3) == 0 {
		err = c.apple()
	}
	if c.chance("siege").IntN(3) == 0 {
		c.siege()
	}
	if c.chance("restore").IntN(8) == 0 {
		c.rewind(true)
	}
	for end := c.now.Add(c.during()); err == nil && c.now.Before(end); {
		for range 1 + len(c.names)/8 {
			c.hurt()
		}
		if c.chance("replays").IntN(4) == 0 {
			c.replay(c.hosts[c.names[c.chance("replays").IntN(len(c.names))]])
		}
		if c.chance("rollouts").IntN(3) == 0 {
			c.steer()
		}
		if c.chance("placing").IntN(5) == 0 {
			c.placing()
		}
		if c.chance("secrets").IntN(6) == 0 {
			c.tellSecret()
		}
		if c.chance("stops").IntN(5) == 0 {
			c.stopSome()
		}
		if d := c.chance("leaving"); d.IntN(6) == 0 {
			c.remove(c.hosts[c.names[d.IntN(len(c.names))]])
		}
		if d := c.chance("releases"); d.IntN(6) == 0 {
			h := c.hosts[c.names[d.IntN(len(c.names))]]
			c.exchange(h, !h.older)
		}
		err = c.Run(c.chance("chaos").between(500*time.Millisecond, 7*time.Second))
	}
	if err == nil {
		err = c.mend()
	}
	return c.Sim, err
}

// during is how long a fleet is broken.
func (c *chaos) during() time.Duration {
	return c.chance("shape").between(40*time.Second, 100*time.Second)
}

// clocks is which clocks of a fleet are off by more than seconds. Never both:
// a port is kept free for ten minutes by the hub's clock and by the host's.
type clocks int

const (
	hostClocks clocks = 1
	hubClock   clocks = 2
)

// found makes the hosts and the services: mostly few, sometimes many.
func (c *chaos) found() {
	d := c.chance("shape")
	var n int
	switch p := d.IntN(100); {
	case p < 45:
		n = 1 + d.IntN(3)
	case p < 86:
		n = 3 + d.IntN(4)
	case p < 98:
		n = 6 + d.IntN(9)
	default:
		n = 15 + d.IntN(36)
	}
	c.hostsCome(n, min(d.IntN(5), n))
	for range 1 + d.IntN(4) + min(n, 12)/3 {
		c.wishes = append(c.wishes, c.invent(len(c.wishes)))
	}
	c.arrange()
	if d.IntN(2) == 0 {
		c.wishes = append(c.wishes, c.hopeless(len(c.wishes)))
	}
	c.apply(fleet.Command{})
}

// hostsCome has so many hosts join, the first of them with a balancer, and clients.
func (c *chaos) hostsCome(n, balancers int) {
	d := c.chance("shape")
	sizes := c.sizes()
	for i := range n {
		id := fmt.Sprintf("h%d", i+1)
		c.addHost(&host{
			id: id, labels: map[string]string{"zone": []string{"a", "b", "c"}[i%3]}, cpus: sizes[i%len(sizes)], old: i > 0 && d.IntN(8) == 0, older: c.chance("releases").IntN(8) == 0,
			skew: c.off(3 * time.Second),
		}, i < balancers)
		if c.clocks == hostClocks && d.IntN(3) == 0 {
			c.jump(c.hosts[id])
		}
	}
	c.Open()
	_ = c.Run(3 * time.Second) // a violation ends the next run too
}

// off is how far a clock is off, either way.
func (c *chaos) off(most time.Duration) time.Duration { return c.chance("clocks").between(-most, most) }
