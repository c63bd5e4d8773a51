package turn

import (
	"fmt"
	"slices"
	"sort"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// poolReported looks at what waits for a balancer that has reported.
func (t *tx) poolReported(service fleet.ServiceKey) {
	s := t.services.get(service)
	if s == nil {
		t.dirtyPool[service] = true
		return
	}
	if s.Converged != s.Generation || s.Removing {
		t.touch(service)
		return
	}
	for _, in := range t.members(service) {
		if in.Goal != fleet.GoalRun {
			t.touch(service)
			return
		}
	}
	if t.poolsPending(service) {
		t.touch(service)
	}
}

func (t *tx) poolsPending(service fleet.ServiceKey) bool {
	for _, host := range t.balancerHosts() {
		if p := t.pools.get(PoolKey{Host: host, Service: service}); p != nil && p.Pool.Removed {
			return true
		}
	}
	return false
}

// derivePools works out a service's pool for every host with a balancer.
func (t *tx) derivePools(service fleet.ServiceKey) {
	delete(t.dirtyPool, service)
	s := t.services.get(service)
	names := map[string][]string{}
	if s != nil {
		for _, key := range t.balancersOf(s) {
			names[key.Host] = append(names[key.Host], key.Name)
		}
	}
	members, sent := t.balanceMembers(service, s), t.sentTo(service)
	for _, host := range t.balancerHosts() {
		key := PoolKey{Host: host, Service: service}
		before := t.pools.get(key)
		in := balance.Input{Service: service, Balancers: names[host], Members: members, Sent: sent[host], Unparked: !t.allKnow(host, names[host], fleet.BalancerParked)}
		if before != nil {
			in.Previous = &before.Pool
		}
		if s != nil && (!s.Removing || len(members) > 0) {
			in.Balancing, in.NamePorts = t.known(s.Asked.Balancing, host, names[host], before), s.NamePorts
		}
		if before == nil && (in.Balancing == nil || len(in.Balancers) == 0) {
			if in.Balancing, in.Balancers = nil, t.leftOver(key); len(in.Balancers) == 0 {
				continue
			}
		}
		pool, held := balance.Pool(in)
		pool.Measure = !pool.Removed && s != nil && measured(s)
		if pool.Removed && before != nil && t.removalAcknowledged(key, before) {
			t.pools.delete(key)
			t.leftPool(key, before)
			t.dirtyHost[host] = true
			t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Pool(host, service), Retain: true})
			t.touch(service)
			continue
		}
		t.publishPool(key, before, pool, held)
	}
}

// sentTo are the leaving instances of a service that balancers were sent and
// haven't let go of, by the balancers' host.
func (t *tx) sentTo(service fleet.ServiceKey) map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, in := range t.members(service) {
		for _, key := range t.waits(in) {
			if out[key.Host] == nil {
				out[key.Host] = map[string]bool{}
			}
			out[key.Host][in.ID] = true
		}
	}
	return out
}

// leftOver names the host's balancers that still send to a service that they
// shouldn't have: they were out of reach when it was taken from them.
func (t *tx) leftOver(key PoolKey) (names []string) {
	l := t.live.get(key.Host)
	if l == nil || l.Actual == nil || l.Alien != "" || l.Actual.Observed.Generation != t.desiredGeneration(key.Host) {
		return nil
	}
	for _, b := range l.Actual.Balancers {
		report := l.pools[b.Name][key.Service]
		if known := t.balancers.get(fleet.BalancerKey{Host: key.Host, Name: b.Name}); known != nil && known.Forgotten == "" &&
			report != nil && len(report.Endpoints) > 0 {
			names = append(names, b.Name)
		}
	}
	return names
}

func (t *tx) balanceMembers(service fleet.ServiceKey, s *Service) []balance.Member {
	var out []balance.Member
	w := weights{other: fleet.DefaultWeight}
	if s != nil {
		w = t.weightsOf(s, s.Rollout)
	}
	for _, in := range t.members(service) {
		if in.Lost && in.Goal == fleet.GoalStop {
			continue // every balancer has let go of it; only its host has to stop it
		}
		member := balance.Member{
			ID: in.ID, Version: in.Version, Address: in.Address, Ports: in.Ports,
			Ready: in.Ready, Dead: in.Dead, Leaving: in.Goal != fleet.GoalRun,
			Weight: w.of(in.Version), Parked: w.of(in.Version) == 0, Reserve: s == nil || s.Rollout == nil || in.Version != s.Rollout.To,
		}
		if s != nil {
			member.Balancing = s.Versions[in.Version].Balancing
		}
		out = append(out, member)
	}
	return out
}

// publishPool gives the pool its generation if it changed, remembers who is
// sent which instance, and from when on an endpoint drains.
func (t *tx) publishPool(key PoolKey, before *Published, pool fleet.Pool, held []string) {
	if before != nil {
		pool.Generation = before.Pool.Generation
		if wire.Sum(mustJSON(pool)) == before.Sum {
			t.noteHeld(key, before, held)
			return
		}
	}
	pool.Generation = t.rev
	raw := mustJSON(pool)
	next := &Published{Pool: pool, Sum: wire.Sum(raw), Held: held, Draining: map[string]uint64{}}
	for _, e := range pool.Endpoints {
		t.sent(key, e.Instance, pool.Balancers)
		if e.State == fleet.EndpointDraining {
			next.Draining[e.Instance] = t.rev
			if before != nil && before.Draining[e.Instance] != 0 {
				next.Draining[e.Instance] = before.Draining[e.Instance]
			}
		}
	}
	next.Listen = listensOn(pool.Routes)
	if pool.Removed && before != nil {
		next.Listen = before.Listen
		for _, e := range before.Pool.Endpoints {
			next.Draining[e.Instance] = t.rev
		}
		for id, since := range before.Draining {
			next.Draining[id] = since
		}
	}
	next.Listeners = t.listenersSince(key, before, next.Listen)
	if len(held) > 0 && (before == nil || len(before.Held) == 0) {
		t.tellHeld(key.Service, held)
	}
	t.pools.put(key, next)
	for _, name := range pool.Balancers { // one that is silent has a listener to be looked at now
		t.unreachable(fleet.BalancerKey{Host: key.Host, Name: name})
	}
	t.dirtyHost[key.Host] = true
	t.made = append(t.made, key)
}

// sendPools sends the pools that this turn made, in that order, as they are at its
// end: a pool may be made more than once, and agents take one content of a
// generation only.
func (t *tx) sendPools() {
	sent := map[PoolKey]bool{}
	for _, key := range t.made {
		if p := t.pools.get(key); p != nil && !sent[key] {
			sent[key] = true
			t.sendPool(key, p)
		}
	}
}

// noteHeld keeps which endpoints hold their place in a pool that is the same.
func (t *tx) noteHeld(key PoolKey, before *Published, held []string) {
	if slices.Equal(before.Held, held) {
		return
	}
	if len(before.Held) == 0 {
		t.tellHeld(key.Service, held)
	}
	t.pools.edit(key).Held = held
}

func (t *tx) tellHeld(service fleet.ServiceKey, held []string) {
	t.event(fleet.EventServiceHeld, subjectService(service), t.services.get(service).Cause, fleet.EventData{Message: fmt.Sprintf("%s: %s", service, heldText(held)), Service: &service})
}

func heldText(held []string) string {
	return fmt.Sprintf("%d endpoints are reported unready, and without them too few are left; they keep their place, and the balancer's own check decides", len(held))
}

func listensOn(routes []fleet.Route) (ports []int) {
	for _, r := range routes {
		ports = append(ports, r.Listen...)
	}
	return ports
}

// leftPool: the host's balancers have dropped the pool and drained all of it,
// so that nothing of it has to wait for them any more.
func (t *tx) leftPool(key PoolKey, before *Published) {
	for _, in := range t.members(key.Service) {
		for _, name := range before.Pool.Balancers {
			if balancer := (fleet.BalancerKey{Host: key.Host, Name: name}); in.Sent[balancer] {
				in = t.instances.edit(in.ID)
				in.Sent = without(in.Sent, balancer)
				in.Released = without(in.Released, balancer)
			}
		}
	}
}

func (t *tx) sent(key PoolKey, id string, balancers []string) {
	in := t.instances.get(id)
	for _, name := range balancers {
		balancer := fleet.BalancerKey{Host: key.Host, Name: name}
		if in != nil && !in.Sent[balancer] {
			in = t.instances.edit(id)
			in.Sent = with(in.Sent, balancer, true)
		}
	}
}

func (t *tx) sendPool(key PoolKey, p *Published) {
	payload, err := wire.SealRaw(t.s.Lineage, t.epoch, p.Pool.Generation, mustJSON(p.Pool))
	if err == nil && !t.unsettled(key.Host) {
		t.out.Publish = append(t.out.Publish, Publish{Topic: wire.Pool(key.Host, key.Service), Payload: payload, Retain: true})
	}
}

// removalAcknowledged: every balancer of the host has applied the removal and
// has no connection left, or won't any more.
func (t *tx) removalAcknowledged(key PoolKey, before *Published) bool {
	return before.Pool.Removed && len(t.removalWaits(key, before)) == 0
}

// removalWaits are the host's balancers that still have to drop a removed pool.
func (t *tx) removalWaits(key PoolKey, before *Published) (waits []fleet.BalancerKey) {
	for _, name := range before.Pool.Balancers {
		balancer := fleet.BalancerKey{Host: key.Host, Name: name}
		if t.writtenOff(balancer) {
			continue
		}
		l := t.live.get(key.Host)
		if l != nil && l.State == fleet.HostUp && l.Actual != nil {
			report := l.pools[name][key.Service]
			if report != nil && report.Generation >= before.Pool.Generation && allDrained(report) {
				continue
			}
		}
		if !t.unreachable(balancer) {
			waits = append(waits, balancer)
		}
	}
	return waits
}

// dropping names the balancers that still have to drop a service that is being
// removed, and the way out where nobody will.
func (t *tx) dropping(service fleet.ServiceKey) (reasons []string) {
	if !t.services.get(service).Removing {
		return nil
	}
	for _, host := range t.balancerHosts() {
		key := PoolKey{Host: host, Service: service}
		p := t.pools.get(key)
		if p == nil || !p.Pool.Removed {
			continue
		}
		for _, balancer := range t.removalWaits(key, p) {
			why := fmt.Sprintf("%s still has to drop it", balancer)
			if !t.driven(balancer) {
				why += fmt.Sprintf(", and its agent is silent or no longer drives it (if it is gone for good: muster lb forget %s)", balancer)
			}
			reasons = append(reasons, why)
		}
	}
	return reasons
}

func allDrained(report *fleet.PoolActual) bool {
	for _, e := range report.Endpoints {
		if !e.Drained {
			return false
		}
	}
	return true
}

// poolRefs is the index of a host's pools, sorted by service.
func (t *tx) poolRefs(host string) []fleet.PoolRef {
	var refs []fleet.PoolRef
	if !t.hasBalancer(host) {
		return nil
	}
	for _, key := range t.pools.keys(PoolKey.less) {
		if key.Host == host {
			p := t.pools.get(key)
			refs = append(refs, fleet.PoolRef{Service: key.Service, Generation: p.Pool.Generation, Sum: p.Sum})
		}
	}
	sort.Slice(refs, func(i, j int) bool { return refs[i].Service.Less(refs[j].Service) })
	return refs
}
