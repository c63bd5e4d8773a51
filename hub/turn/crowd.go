package turn

import (
	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
)

// assignmentSize is about what one assignment takes in a desired message, and
// messageBase what the rest of it does.
const (
	assignmentSize = 320
	messageBase    = 64 << 10
)

// crowd is what every host carries, counted once a turn and kept current.
type crowd struct {
	hosts []placement.Host
	index map[string]int
	// bytes is about how long each host's desired message is, and versions
	// has the specs that are in it.
	bytes    []int
	versions []map[string]bool
	sizes    map[string]int // of specs with their secrets, by version key
	secrets  func(project string, m fleet.SecretMount) int
}

// counted counts what the hosts carry when the turn first asks.
func (t *tx) counted() *crowd {
	if t.crowd != nil {
		return t.crowd
	}
	c := &crowd{index: map[string]int{}, sizes: map[string]int{}, secrets: t.secretSize}
	for _, id := range t.hosts.keys(byText) {
		h := t.hosts.get(id)
		p := placement.Host{
			ID: id, Labels: h.Facts.Labels, OS: h.Facts.OS, Arch: h.Facts.Architecture, Barred: t.barred(id), Features: h.Facts.Features,
			CPUs: float64(h.Facts.CPUs), Memory: h.Facts.Memory, Taken: map[fleet.Port]string{},
			Weight: placement.Capacity(float64(h.Facts.CPUs), h.Facts.Memory), Generic: h.Facts.Resources,
		}
		if l := t.live.get(id); l != nil && l.Actual != nil {
			p.UsedMemory, p.UsedCPUs = l.Actual.Foreign.Memory, l.Actual.Foreign.CPUs
			for _, port := range l.Actual.Foreign.Ports {
				p.Taken[fleet.TCP(port)] = "another process"
			}
		}
		c.index[id] = len(c.hosts)
		c.hosts = append(c.hosts, p)
		c.bytes = append(c.bytes, messageBase)
		c.versions = append(c.versions, map[string]bool{})
	}
	t.takeListeners(c)
	t.crowd = c
	for _, id := range t.instances.keys(byText) {
		in := t.instances.get(id)
		if s := t.services.get(in.Service); s != nil {
			t.occupy(in)
		}
	}
	return c
}

// takeListeners keeps fixed host ports off what the host's balancer is to
// listen on, its pool being published or not, and still does.
func (t *tx) takeListeners(c *crowd) {
	wanted := map[PoolKey]bool{}
	take := func(key PoolKey, ports []int) {
		if i, ok := c.index[key.Host]; ok {
			for _, port := range ports {
				c.hosts[i].Taken[fleet.TCP(port)] = "the balancer, for " + key.Service.String()
			}
		}
	}
	services, balancers := t.services.keys(fleet.ServiceKey.Less), t.knownBalancers()
	for _, service := range services {
		s := t.services.get(service)
		for _, balancer := range balancers {
			if key := (PoolKey{Host: balancer.Host, Service: service}); balance.Selected(s.Asked.Balancing, balancer) {
				wanted[key] = true
				take(key, listens(s))
			}
		}
	}
	for _, key := range t.pools.keys(PoolKey.less) {
		if !wanted[key] {
			take(key, t.pools.get(key).Listen)
		}
	}
}

// occupy counts one instance on its host. A lost one that is replaced
// elsewhere doesn't count: its host can't be chosen anyway.
func (t *tx) occupy(in *Instance) {
	if t.crowd == nil {
		return
	}
	i, ok := t.crowd.index[in.Host]
	if !ok {
		return
	}
	h := &t.crowd.hosts[i]
	h.Instances++
	for _, port := range t.fixedPorts(in) {
		h.Taken[port] = in.Service.String()
	}
	v := t.versionOf(in)
	if v == nil {
		t.crowd.bytes[i] += assignmentSize // its spec isn't in the message
		return
	}
	t.crowd.bytes[i] += t.crowd.grows(in.Host, in.Service, in.Version, &v.Spec)
	t.crowd.versions[i][fleet.VersionKey(in.Service, in.Version)] = true
	h.UsedMemory += placement.Reserved(v.Spec.Resources)
	h.UsedCPUs += v.Spec.Resources.CPUReservation
	for _, g := range v.Spec.GenericResources() {
		h.UsedGeneric = with(h.UsedGeneric, g.Kind, h.UsedGeneric[g.Kind]+g.Count)
	}
}

// grows is about how much longer a host's desired message gets by one more
// instance.
func (c *crowd) grows(host string, service fleet.ServiceKey, version int, spec *fleet.Spec) int {
	key := fleet.VersionKey(service, version)
	if c.versions[c.index[host]][key] {
		return assignmentSize
	}
	if c.sizes[key] == 0 {
		c.sizes[key] = len(specText(spec))
		for _, m := range spec.Secrets {
			c.sizes[key] += c.secrets(service.Project, m)
		}
	}
	return assignmentSize + c.sizes[key]
}

func (t *tx) versionOf(in *Instance) *fleet.Version {
	s := t.services.get(in.Service)
	if s == nil {
		return nil
	}
	v, ok := s.Versions[in.Version]
	if !ok {
		return nil
	}
	return &v
}

// fixedPorts are the host ports that an instance has by number. Of one that was
// taken in with content that the hub doesn't know, any port may be one, over
// either protocol.
func (t *tx) fixedPorts(in *Instance) (ports []fleet.Port) {
	if v := t.versionOf(in); v != nil {
		return v.Spec.FixedPorts()
	}
	for _, number := range in.Ports {
		ports = append(ports, fleet.TCP(number), fleet.Port{Number: number, Protocol: "udp"})
	}
	return ports
}

// bringsSome is why nothing is placed beside what a host brings along. It ends without
// anything that would have every service looked at again.
const bringsSome = "runs instances that are yet to be taken in"

// barred says why nothing is placed on a host now; empty: it may.
func (t *tx) barred(id string) string {
	h, l := t.hosts.get(id), t.live.get(id)
	switch {
	case h.Maintenance != nil:
		return "is in maintenance" + h.Maintenance.until()
	case l == nil || l.State == fleet.HostUnknown:
		return "not heard since the hub started"
	case l.Alien != "":
		return "belongs to another hub (lineage " + l.Alien + ")"
	case l.State != fleet.HostUp:
		return "is " + l.State
	case h.Failed:
		return "is declared dead"
	case h.Leaving != nil:
		return "leaves the fleet"
	case h.Availability == fleet.AvailabilityDrain:
		return "is drained"
	case h.Frozen:
		return "is frozen"
	case l.Actual == nil:
		return "hasn't reported yet"
	case !l.Actual.Engine.Up:
		return "its engine doesn't answer"
	case t.brings(h, l):
		return bringsSome
	default:
		return ""
	}
}
