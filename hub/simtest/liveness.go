package simtest

import (
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// What the checker takes for certain. Each is longer than what was promised,
// by what messages, looks and a slow disk take.
const (
	surelySilent = 16 * time.Second // a host is lost after 10 s
	surelyServes = 20 * time.Second // long enough for everybody to know
	surelyKnown  = 12 * time.Second // long enough for a balancer's report to be taken in
	surelyHeard  = 4 * time.Second  // signs of life come every 3 s
)

// resumed: the hub couldn't store what it saw. Silence from before says nothing.
func (k *checker) resumed() {
	k.since = k.sim.now
}

// hubStarted: a started hub has heard nobody yet.
func (k *checker) hubStarted() {
	k.hubStart, k.since = k.sim.now, k.sim.now
	k.heard = map[string]time.Time{}
}

// hears notes a host's sign of life, with the state that it names.
func (k *checker) hears(host, state string) {
	if state == fleet.PresenceLost {
		return // the broker's word, not the host's
	}
	k.heard[host] = k.sim.now
	if state != "" {
		k.stopped[host] = state != fleet.PresenceOnline
	}
}

// silent counts the hosts that the hub must take for lost.
func (k *checker) silent() (n int) {
	for id := range k.hosts {
		last, heard := k.heard[id]
		if !heard {
			last = k.hubStart.Add(k.sim.options.Turn.UnknownFor)
		}
		if last.Before(k.since) {
			last = k.since
		}
		if !k.stopped[id] && !k.hosts[id].Failed && k.hosts[id].Maintenance == nil && k.sim.now.Sub(last) > surelySilent {
			n++
		}
	}
	return n
}

// givesUp looks at an instance that is replaced because its host is lost.
func (k *checker) givesUp(before, in *turn.Instance) {
	if before.Goal != fleet.GoalRun || in.Goal == fleet.GoalRun || !in.Lost || k.hosts[in.Host].Failed || k.services[in.Service].Removing {
		return // that is a person's order
	}
	k.patient(in)
	if n, all := k.silent(), len(k.hosts); float64(n) > max(1, k.sim.options.Turn.LostShare*float64(all)) {
		k.sim.violate("%s is given up while %d of %d hosts are silent", in, n, all)
	}
	if where := k.witness(in); where != "" {
		k.sim.violate("%s is given up, though the check of the balancer on %s has passed for %s", in, where, surelyKnown)
	}
}

// witness finds a balancer whose check has passed for long, and whose agent
// has been heard all the time.
func (k *checker) witness(in *turn.Instance) string {
	if k.services[in.Service].Asked.Balancing == nil {
		return ""
	}
	long := k.sim.now.Add(-surelyKnown)
	for balancer := range in.Sent {
		h := k.sim.hosts[balancer.Host]
		if h.haproxy == nil || h.haproxy.current == nil || h.agent == nil || h.agent.since.After(long) || k.excused[in.ID][h.id] {
			continue
		}
		session := k.sim.hub.broker.sessions[h.id]
		if session == nil || session.joined.After(long) || k.sim.now.Sub(k.heard[h.id]) > surelyHeard {
			continue
		}
		for _, s := range h.haproxy.current.servers {
			if s.Instance == in.ID && s.takes() && s.health == fleet.CheckPassing && s.healthSince.Before(long) {
				return h.id
			}
		}
	}
	return ""
}

// unready looks at an instance that lost its readiness: never while its
// program answers, and has for long.
func (k *checker) unready(before, in *turn.Instance) {
	if !before.Ready || in.Ready || in.Goal != fleet.GoalRun {
		return
	}
	h := k.sim.hosts[in.Host]
	for _, c := range h.engine.containers {
		if c.instance == in.ID && !h.off && c.answers(k.sim.now.Add(-surelyServes)) {
			k.sim.violate("%s isn't ready any more, though its program has answered for %s", in, surelyServes)
		}
	}
}
