package simtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// lookEvery is the pause between two looks at whether a fleet has converged.
const lookEvery = 500 * time.Millisecond

// Await runs until the fleet has converged, or says what is missing.
func (s *Sim) Await(within time.Duration) error { return s.await(within, s.Distance) }

// await runs until nothing is missing any more.
func (s *Sim) await(within time.Duration, missing func() string) error {
	for end := s.now.Add(within); ; {
		why := missing()
		if why == "" {
			return nil
		}
		if !s.now.Before(end) {
			return s.fail(fmt.Errorf("%w: not converged within %s: %s", ErrNotConverged, within, why))
		}
		if err := s.Run(lookEvery); err != nil {
			return err
		}
	}
}

// ErrNotConverged says that actual is not desired after all the time given.
var ErrNotConverged = errors.New("the fleet has not converged")

// Distance says in words what is missing between desired and actual, both by
// the hub's word and by what the fakes really do; empty: nothing.
func (s *Sim) Distance() string {
	if !s.hub.up {
		return "the hub is down"
	}
	view := s.hub.state.View(s.hub.now())
	for _, service := range view.Services("") {
		if service.State != fleet.ServiceConverged && service.State != fleet.ServiceCompleted && service.State != fleet.ServiceStopped && !s.bad[service.Key] {
			return fmt.Sprintf("%s is %s: %v", service.Key, service.State, service.Reasons)
		}
	}
	for _, h := range view.Hosts() {
		if h.Leaving != nil {
			return fmt.Sprintf("%s is leaving: %v", h.ID, h.Reasons)
		}
	}
	running, completed := map[string]bool{}, map[string]bool{}
	for _, in := range view.Instances(fleet.ServiceKey{}, "") {
		switch {
		case s.bad[in.Service]:
			continue // what becomes of it is nobody's business
		case in.Goal != fleet.GoalRun && !s.hosts[in.Host].hearsHub():
			continue // its stop waits for the host's return
		case in.Goal != fleet.GoalRun:
			return fmt.Sprintf("%s on %s is to %s", in.ID, in.Host, in.Goal)
		case in.State == fleet.StateCompleted:
			completed[in.ID] = true
			continue
		}
		running[in.ID] = true
		if in.State == fleet.StateKept {
			return fmt.Sprintf("%s on %s is kept for a way back", in.ID, in.Host)
		}
	}
	return s.containersDiffer(running, completed)
}

func (s *Sim) containersDiffer(wanted, completed map[string]bool) string {
	found := map[string]bool{}
	for _, id := range s.names {
		if !s.hosts[id].hearsHub() || s.checker.isOut(id) {
			continue
		}
		for _, c := range s.hosts[id].engine.sorted() {
			switch {
			case c.instance == "" || s.bad[s.checker.instances[c.instance].Service]:
				continue
			case completed[c.instance]:
				continue // it stays for people to look at
			case !wanted[c.instance]:
				return fmt.Sprintf("%s has %s of %s, which nobody wants", id, c.ID, c.instance)
			case c.State != brain.ContainerRunning:
				return fmt.Sprintf("%s of %s on %s is %s", c.ID, c.instance, id, c.State)
			case found[c.instance]:
				return c.instance + " has two containers"
			}
			found[c.instance] = true
		}
	}
	for _, instance := range slices.Sorted(maps.Keys(wanted)) {
		if host := s.checker.instances[instance].Host; !found[instance] && s.hosts[host].hearsHub() {
			return fmt.Sprintf("%s has no container on %s", instance, host)
		}
	}
	return s.balancersDiffer(wanted)
}

// balancersDiffer holds what balancers really send to against what they should.
func (s *Sim) balancersDiffer(wanted map[string]bool) string {
	for _, id := range s.names {
		h := s.hosts[id]
		if !h.hearsHub() || h.haproxy == nil || s.checker.isOut(id) {
			continue
		}
		if h.haproxy.current == nil {
			return "the balancer on " + id + " doesn't run"
		}
		sends := map[string]bool{}
		for _, server := range h.haproxy.current.servers {
			if server.takes() {
				sends[server.Instance] = true
			}
			if _, known := s.checker.instances[server.Instance]; !s.bad[server.Service] && !wanted[server.Instance] && (!known || server.takes()) {
				return fmt.Sprintf("the balancer on %s still has %s", id, server.Instance)
			}
		}
		for instance := range wanted {
			if in := s.checker.instances[instance]; s.checker.offered(in.Service, id) && !sends[instance] {
				return fmt.Sprintf("the balancer on %s doesn't send to an instance of %s", id, in.Service)
			}
		}
	}
	return ""
}
