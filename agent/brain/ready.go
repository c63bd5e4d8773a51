package brain

import (
	"cmp"
	"net"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Defaults of a probe, as fleet.Probe states them.
const (
	probeInterval = 2 * time.Second
	probeTimeout  = 2 * time.Second
	probeRise     = 1
	probeFall     = 3
)

// target returns the probe that is to run for an instance now.
func (s *State) target(inst *instance) (ProbeTarget, bool) {
	probe, c := inst.rec.Probe, inst.container
	if probe == nil || inst.run == "" || c == nil || c.State != ContainerRunning || s.stopping(inst) {
		return ProbeTarget{}, false
	}
	port, address := inst.rec.Ports[probe.Port], s.addressOf(inst, probe.Port)
	if port == 0 || address == "" {
		return ProbeTarget{}, false
	}
	return ProbeTarget{
		Instance:  inst.id,
		Service:   inst.rec.Service,
		Container: inst.run,
		Type:      probe.Type,
		Address:   net.JoinHostPort(address, strconv.Itoa(port)),
		Path:      probe.Path,
		Interval:  probe.Interval.Or(probeInterval),
		Timeout:   probe.Timeout.Or(probeTimeout),
	}, true
}

// addressOf is where a port of an instance is reached: the advertised
// address, unless the port is fixed to another.
func (s *State) addressOf(inst *instance, target int) string {
	if a := s.assigned[inst.id]; a != nil {
		if spec := s.spec(a); spec != nil {
			for _, p := range spec.Publish {
				if p.Target == target && p.HostPort != 0 && p.HostIP != "" && p.HostIP != "0.0.0.0" && p.HostIP != "::" {
					return p.HostIP
				}
			}
		}
	}
	return s.advertise
}

func (s *State) stopping(inst *instance) bool {
	a := s.assigned[inst.id]
	return a != nil && a.Goal == fleet.GoalStop
}

// takeProbe counts one outcome. The first success after the agent's own start
// is enough for a container that ran before: it was ready then. It reports
// whether anything but the count changed.
func (s *State) takeProbe(r ProbeResult, now time.Time) (changed bool) {
	inst, ok := s.instances[r.Instance]
	if !ok || inst.run == "" || inst.run != r.Container || inst.rec.Probe == nil {
		return false
	}
	probed, ready, reason := inst.probed, inst.ready, inst.probeReason
	s.countProbe(inst, &r, now)
	return !probed || ready != inst.ready || reason != inst.probeReason
}

func (s *State) countProbe(inst *instance, r *ProbeResult, now time.Time) {
	inst.probed = true
	probe := inst.rec.Probe
	if r.OK {
		inst.passes, inst.falls, inst.probeReason = inst.passes+1, 0, ""
		if !inst.ready && (!inst.oursRun && inst.passes == 1 || inst.passes >= cmp.Or(probe.Rise, probeRise)) {
			inst.ready = true
		}
		return
	}
	inst.passes, inst.falls = 0, inst.falls+1
	inst.probeReason = "its probe fails: " + r.Reason
	if now.Sub(inst.runSince) < probe.StartPeriod.D() {
		inst.probeReason = "it is starting: " + r.Reason
	}
	if inst.falls >= cmp.Or(probe.Fall, probeFall) {
		inst.ready = false
	}
}

// isReady says whether an instance serves, by all that is known.
func (s *State) isReady(inst *instance) bool {
	c := inst.container
	switch {
	case c == nil || c.State != ContainerRunning || inst.run == "" || inst.rec.Recreate || s.stopping(inst):
		return false
	case c.Health == HealthUnhealthy || !inst.rec.Described || inst.dead():
		return false
	case inst.rec.Probe == nil:
		return c.Health == HealthNone || c.Health == HealthHealthy
	}
	return inst.ready
}

// latch keeps on disk which runs are ready, so that a restart of the agent
// doesn't take them off the balancers.
func (s *State) latch(now time.Time) {
	if s.lineage == "" {
		return
	}
	for _, id := range sortedKeys(s.instances) {
		inst := s.instances[id]
		rec, run := inst.rec, ""
		if s.isReady(inst) {
			run = inst.run
		}
		if rec.ReadyRun == run {
			continue
		}
		if run != "" {
			rec.EverReady, rec.Started = true, inst.container.StartedAt
			inst.reason = ""
			s.stage(StageReady, inst)
		} else {
			_, reason := s.phase(inst, now)
			s.stage(StageUnready, inst).Reason = reason
		}
		rec.ReadyRun = run
		s.report.urgent = true
		s.dirty(now)
	}
}

// probedOnce reports whether every probe had an outcome since the agent's
// start, or needs none.
func (s *State) probedOnce() bool {
	for _, inst := range s.instances {
		if _, wanted := s.target(inst); wanted && !inst.probed && !inst.ready {
			return false
		}
	}
	return true
}
