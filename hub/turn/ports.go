package turn

import (
	"sort"

	"github.com/musterhq/muster/shared/fleet"
)

// holdPorts keeps an instance's host ports from being given again while a
// balancer may still send to them.
func (t *tx) holdPorts(in *Instance) {
	if len(in.Ports) == 0 || t.hosts.get(in.Host) == nil {
		return
	}
	waits := map[fleet.BalancerKey]uint64{}
	for key := range in.Sent {
		if how := in.Released[key]; how == releasedForgotten || how == releasedUnreachable {
			continue // nobody will ever acknowledge
		}
		pool := t.pools.get(PoolKey{Host: key.Host, Service: in.Service})
		switch {
		case pool == nil: // acknowledged as a whole
		case pool.has(in.ID):
			waits[key] = t.rev // the one that lacks it is made in this turn
		default:
			waits[key] = pool.Pool.Generation
		}
	}
	h := t.hosts.edit(in.Host)
	for _, hostPort := range in.Ports {
		h.Held = with(h.Held, hostPort, HeldPort{Service: in.Service, Until: t.now.Add(t.s.opts.PortHold), Waits: waits})
	}
	t.dirtyHost[in.Host] = true
}

// portsAcknowledged takes a balancers' host's report as acknowledgement of
// released ports anywhere in the fleet.
func (t *tx) portsAcknowledged(host string) {
	l := t.live.get(host)
	if len(l.Actual.Balancers) == 0 {
		return
	}
	for _, id := range t.holders() {
		for _, port := range sorted(t.hosts.get(id).Held, byNumber) {
			held := t.hosts.get(id).Held[port]
			for _, key := range sorted(held.Waits, fleet.BalancerKey.Less) {
				report := l.pools[key.Name][held.Service]
				dropped := report == nil && t.pools.get(PoolKey{Host: host, Service: held.Service}) == nil
				if key.Host == host && (dropped || report != nil && report.Generation >= held.Waits[key]) {
					held.Waits = without(held.Waits, key)
				}
			}
			if len(held.Waits) != len(t.hosts.get(id).Held[port].Waits) {
				h := t.hosts.edit(id)
				h.Held = with(h.Held, port, held)
			}
		}
	}
}

// holders are the hosts with held ports, sorted.
func (t *tx) holders() (ids []string) {
	t.hosts.each(func(id string, h *Host) {
		if len(h.Held) > 0 {
			ids = append(ids, id)
		}
	})
	sort.Strings(ids)
	return ids
}

// releasePorts frees held ports whose time is up and that nobody waits for.
func (t *tx) releasePorts() {
	for _, id := range t.holders() {
		for port, held := range t.hosts.get(id).Held {
			if t.now.After(held.Until) && !t.awaited(held) {
				h := t.hosts.edit(id)
				h.Held = without(h.Held, port)
				t.dirtyHost[id] = true
			}
		}
	}
}

// awaited: a balancer that had the port hasn't let go of it yet.
func (t *tx) awaited(held HeldPort) bool {
	for key := range held.Waits {
		if !t.writtenOff(key) {
			return true
		}
	}
	return false
}

func heldPorts(h *Host) []int {
	ports := make([]int, 0, len(h.Held))
	for port := range h.Held {
		ports = append(ports, port)
	}
	sort.Ints(ports)
	return ports
}
