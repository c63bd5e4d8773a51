package simtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// wish is a service that the operator's file has.
type wish struct {
	fleet.Service
	hopeless bool // it can't get there, whatever is mended
	absent   bool // the file leaves it out for now
}

// invent makes up a service that the fleet can have.
func (c *chaos) invent(n int) *wish {
	d := c.chance("services")
	name := fmt.Sprintf("s%d", n)
	w := &wish{Service: Web(name, 1+d.IntN(4), name+":1")}
	w.Balancing.Routes[0].Listen = []int{8000 + 10*n}
	w.Balancing.DrainTimeout = fleet.Duration(d.between(2*time.Second, 10*time.Second))
	c.narrow(w)
	switch d.IntN(12) {
	case 0, 1:
		w.Balancing = nil
	case 2:
		w.Balancing, w.Spec.Publish, w.Spec.Probe = nil, nil, nil
	case 3, 4:
		w.Spec.Mounts = []fleet.Mount{{Type: fleet.MountVolume, Source: project + "_" + name, Target: "/data"}}
	case 5:
		w.Balancing, w.Spec.Publish[0].HostPort = nil, 9100+n
		w.Count = min(w.Count, c.eligible(w))
	case 6, 7:
		w.Balancing, w.Mode, w.Count = nil, fleet.ModeGlobal, 0
	case 8:
		w.Spec.Publish = append(w.Spec.Publish, fleet.Publish{Target: 90, Protocol: "tcp"})
		w.Balancing.Routes = append(w.Balancing.Routes, fleet.Route{Target: 90, Listen: []int{8001 + 10*n}, Protocol: fleet.ProtocolTCP})
	case 9:
		w.Spec.Resources.CPUReservation, w.Spec.Resources.MemoryReservation = 0.1, 64<<20
		w.Spec.Restart = fleet.Restart{Policy: fleet.RestartUnlessStopped}
	}
	c.upgradesBy(w)
	c.keepsSecret(w)
	c.prefers(w) // after what asks for more of a host
	return w
}

// narrow leaves a service less choice, now and then.
func (c *chaos) narrow(w *wish) {
	d := c.chance("services")
	switch d.IntN(8) {
	case 0:
		w.Constraints = []fleet.Constraint{{Label: "zone", Equal: true, Value: "a"}}
	case 1:
		w.Constraints = []fleet.Constraint{{Label: "zone", Value: "b"}}
	case 2:
		if last := len(c.names) - 1; last > 0 {
			w.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Value: c.names[last]}}
		}
	}
	if c.hosts[c.names[0]].haproxy != nil && d.IntN(5) == 0 {
		w.Balancing.Balancers = []string{c.names[0] + "/" + balancerName}
	}
	if d.IntN(6) == 0 {
		w.Grace = fleet.Duration(d.between(time.Second, 20*time.Second))
	}
}

// eligible counts the hosts that suit a service.
func (c *chaos) eligible(w *wish) (n int) {
	for _, id := range c.names {
		h := c.hosts[id]
		suits := true
		for _, rule := range w.Constraints {
			value := h.labels[rule.Label]
			if rule.Label == fleet.LabelHostname {
				value = id
			}
			suits = suits && (value == rule.Value) == rule.Equal
		}
		features := h.facts().Features
		for _, f := range w.Spec.Features() {
			suits = suits && slices.Contains(features, f)
		}
		if suits {
			n++
		}
	}
	return n
}

// refusedPath is a check's that no balancer takes.
const refusedPath = "no path"

// hopeless makes up a service that can't get there. It has to stop no other.
func (c *chaos) hopeless(n int) *wish {
	d := c.chance("services")
	name := fmt.Sprintf("bad%d", n)
	w := &wish{Service: Web(name, 1+d.IntN(3), name+":1"), hopeless: true}
	w.Balancing.Routes[0].Listen = []int{8000 + 10*n}
	w.Balancing.DrainTimeout = fleet.Duration(5 * time.Second)
	switch d.IntN(8) {
	case 0:
		habits["missing"](c.image(w.Spec.Image))
	case 1:
		habits["exits"](c.image(w.Spec.Image))
	case 2:
		habits["never-ready"](c.image(w.Spec.Image))
	case 3:
		w.Constraints = []fleet.Constraint{{Label: "zone", Equal: true, Value: "nowhere"}}
	case 4:
		w.Spec.Resources.CPUReservation = 64
	case 5: // no balancer takes it
		w.Balancing.Check.Path = refusedPath
	case 6: // it does its job and ends
		habits["exits"](c.image(w.Spec.Image))
		w.Balancing, w.Spec.Restart = nil, fleet.Restart{Policy: fleet.RestartNo}
	case 7:
		habits["exits"](c.image(w.Spec.Image))
		w.Balancing, w.Spec.Restart = nil, fleet.Restart{Policy: fleet.RestartOnFailure, MaxAttempts: 2}
	}
	return w
}

// written is the service as the file has it now, sharing nothing with it.
func (w *wish) written() (s fleet.Service) {
	raw, err := json.Marshal(w.Service)
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		panic(err)
	}
	return s
}

// wished finds a service in the file.
func (c *chaos) wished(key fleet.ServiceKey) *wish {
	for _, w := range c.wishes {
		if w.Key == key {
			return w
		}
	}
	return nil
}

// apply gives the hub the file as it is now. It says whether the hub took it.
func (c *chaos) apply(with fleet.Command) bool {
	with.Do, with.Project, with.Secrets = fleet.DoApply, project, c.written()
	for _, w := range c.wishes {
		if !w.absent {
			with.Services = append(with.Services, c.ordered(w))
		}
	}
	slices.SortFunc(with.Services, func(a, b fleet.Service) int { return byKey(a.Key, b.Key) })
	return c.order(with)
}
