package simtest

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Upgrade brings a small fleet up and upgrades what runs there again and again,
// to good versions and to bad ones, while people steer and things break. Then
// all is mended, and has to converge. In one of four nothing breaks: what happens
// to a version there is its own doing.
func Upgrade(options Options) (*Sim, error) {
	c := newChaos(options)
	c.again = "rollouts"
	c.calm, c.respite = options.Seed%4 == 0, 3*time.Second
	c.checker.calm = c.calm
	d := c.chance("shape")
	c.hostsCome(2+d.IntN(7)/3, 1+d.IntN(4)/3)
	c.begins(1 + d.IntN(3)/2)
	err := c.Run(d.between(2*time.Second, 4*time.Second))
	end := c.now.Add(d.between(6*time.Second, 24*time.Second))
	if !c.calm && c.chance("restore").IntN(12) == 0 {
		c.rewind(false)
		end = c.now.Add(50 * time.Second) // by then it is over
	}
	for err == nil && c.now.Before(end) {
		c.stir()
		longest := []time.Duration{time.Second, 4 * time.Second, 4 * time.Second, 12 * time.Second}[c.chance("upgrades").IntN(4)]
		err = c.Run(c.chance("upgrades").between(100*time.Millisecond, longest))
	}
	if err == nil {
		err = c.mend()
	}
	return c.Sim, err
}

// begins asks for services, most of them behind the balancers, and a job.
func (c *chaos) begins(n int) {
	d := c.chance("services")
	for i := range n {
		w := c.invent(i)
		if d.IntN(4) > 0 {
			name := fmt.Sprintf("s%d", i)
			w = &wish{Service: Web(name, 1+d.IntN(3), name+":1")}
			w.Balancing.DrainTimeout = fleet.Duration(2 * time.Second)
			c.upgradesBy(w)
		}
		c.wishes = append(c.wishes, w)
	}
	c.arrange()
	job := &wish{Service: Web("job", 0, "job:1")}
	job.Mode, job.Balancing, job.Spec.Publish, job.Spec.Probe = fleet.ModeJob, nil, nil, nil
	job.Spec.Restart = fleet.Restart{Policy: fleet.RestartNo}
	c.image("job:1").ends, c.image("job:bad").exits = true, true
	for _, w := range c.wishes {
		c.examined(w)
	}
	c.wishes = append(c.wishes, job)
	c.apply(fleet.Command{})
}

// examined has jobs run for a service's rollouts, and judges asked.
func (c *chaos) examined(w *wish) {
	d := c.chance("examined")
	if w.Rollout == nil {
		return
	}
	monitor, keep := fleet.Duration(d.between(0, 4*time.Second)), fleet.Duration(d.between(0, 3*time.Second))
	w.Rollout.Monitor, w.Rollout.Keep = &monitor, &keep
	w.Rollout.Verify.Interval, w.Rollout.Verify.Requests = fleet.Duration(time.Second), 3
	w.Rollout.HealthyWithin, w.Rollout.ProgressWithin = fleet.Duration(8*time.Second), fleet.Duration(15*time.Second)
	for _, list := range []*[]string{&w.Rollout.Before, &w.Rollout.Each, &w.Rollout.After} {
		if d.IntN(8) == 0 {
			*list = []string{"job"}
		}
		if d.IntN(12) == 0 {
			*list = append(*list, "http://hook/")
		}
	}
	if off := w.Rollout.Verify.Off; off != nil && !*off && d.IntN(4) == 0 {
		w.Rollout.Verify.Judges = []fleet.Judge{{HTTP: "http://judge/"}}
	}
}

// stir does one thing that a rollout has to cope with.
func (c *chaos) stir() {
	d := c.chance("upgrades")
	w := c.wishes[d.IntN(len(c.wishes))]
	p := d.IntN(16)
	if c.calm {
		p = d.IntN(11)
	}
	switch {
	case p < 4:
		c.upgrade(w)
		c.apply(fleet.Command{})
	case p < 8:
		c.steer()
	case p == 8: // time passes
	case p == 9 && w.Mode != fleet.ModeJob:
		c.order(fleet.Command{Do: fleet.DoScale, Service: w.Key, Count: c.countFor(w)})
	case p == 10:
		w.Spec.Image = w.Key.Name + ":1"
		c.apply(fleet.Command{})
	case p == 11:
		c.hub.crashAt = []string{BeforeCommit, AfterCommit}[d.IntN(2)]
		c.later(c.hub.start)
	case p == 12:
		c.loseBalancer(c.hosts[c.names[0]])
	case p == 13:
		c.endNew(w)
	case !c.calm:
		c.hurt()
	}
}

// upgrade edits a service's program in the file: every other time to a bad one.
func (c *chaos) upgrade(w *wish) {
	d := c.chance("upgrades")
	if w.Mode == fleet.ModeJob {
		w.Spec.Image = []string{"job:1", "job:1", "job:bad"}[d.IntN(3)]
		return
	}
	c.versions++
	w.Spec.Image = fmt.Sprintf("%s:x%d", w.Key.Name, c.versions)
	i := c.image(w.Spec.Image)
	switch d.IntN(12) {
	case 0:
		i.exits = true
	case 1:
		i.neverReady = true
	case 2:
		i.missing = true
	case 3:
		i.ignoresTerm = true
	case 4:
		i.errs = true
	case 5:
		i.fails = true
	case 6:
		i.readyAfter = 4 * time.Second
	}
}

// endNew ends the program in one of the containers to which a rollout leads.
func (c *chaos) endNew(w *wish) {
	r := c.checker.services[w.Key].Rollout
	if r == nil || r.Over() {
		return
	}
	for _, id := range c.names {
		for _, x := range c.hosts[id].engine.sorted() {
			if in := c.checker.instances[x.instance]; in.Service == w.Key && in.Version == r.To {
				c.hosts[id].engine.exit(x, 1)
				return
			}
		}
	}
}

// loseBalancer takes away a balancer's host, or the agent on it, or the balancer.
func (c *chaos) loseBalancer(h *host) {
	switch c.chance("upgrades").IntN(5) {
	case 0:
		c.Cut(h.id)
	case 1:
		c.Isolate(h.id)
	case 2:
		c.PowerOff(h.id)
	case 3:
		c.CrashAgent(h.id)
	case 4:
		c.crashBalancer(h)
	}
	c.later(func() {
		c.Heal(h.id)
		c.PowerOn(h.id)
		c.StartAgent(h.id)
	})
}
