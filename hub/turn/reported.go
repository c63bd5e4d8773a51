package turn

import (
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

// reported takes one instance's report.
func (t *tx) reported(host string, l *Live, a *fleet.InstanceActual) {
	in := t.instances.get(a.ID)
	if in == nil {
		t.adopt(host, l, a)
		return
	}
	if in.Host != host || a.Unclaimed && in.Goal != fleet.GoalStop {
		return
	}
	if a.Phase == fleet.PhaseStopped && in.Goal == fleet.GoalStop {
		t.gone(in)
		return
	}
	t.pin(in, a)
	ready := a.Ready && t.carries(in, a)
	dead := a.Phase != fleet.PhaseRunning && a.Phase != fleet.PhaseStopping
	switch {
	case ready && (!in.Ready || in.Dead || in.Address != a.Address || !samePorts(in.Ports, a.Ports)):
		first := !in.Ready && in.Goal == fleet.GoalRun
		in = t.instances.edit(in.ID)
		in.Ready, in.Dead, in.Address, in.Ports = true, false, a.Address, a.Ports
		if first {
			in.ReadyAt = t.now
			t.event(fleet.EventInstanceReady, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s is ready", in)))
		}
	case !ready && (in.Ready || in.Dead != dead):
		was := in.Ready
		in = t.instances.edit(in.ID)
		in.Ready, in.Dead = false, dead
		if was {
			in.ReadyAt = t.now
		}
		if was && in.Goal == fleet.GoalRun {
			t.event(fleet.EventInstanceUnready, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s is not ready: %s", in, a.Reason)))
		}
	default:
		return
	}
	t.touch(in.Service)
	t.dirtyPool[in.Service] = true
}

// carries says whether what a host has of an instance is the version that it is
// to be. One that was taken in may have another number there until the host has
// heard of it.
func (t *tx) carries(in *Instance, a *fleet.InstanceActual) bool {
	if a.Version == in.Version {
		return true
	}
	content := in.Spec
	if v := t.versionOf(in); v != nil {
		content = v.Spec.Sum()
	}
	return a.Spec != "" && a.Spec == content
}

func samePorts(a, b map[int]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// missing lets go of instances that were to stop and that the host, which has
// accepted just that, no longer reports.
func (t *tx) missing(host string, l *Live) {
	for _, in := range t.residents(host) {
		if in.Goal == fleet.GoalStop && l.instances[in.ID] == nil && in.Born < t.desiredGeneration(host) {
			t.gone(in)
		}
	}
}

// gone forgets an instance whose container is confirmed to be gone.
func (t *tx) gone(in *Instance) {
	t.event(fleet.EventInstanceGone, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf("%s is gone", in)))
	t.forget(in)
}

// forget drops an instance that nobody sends to any more.
func (t *tx) forget(in *Instance) {
	t.holdPorts(in)
	t.instances.delete(in.ID)
	t.touch(in.Service)
	t.dirtyPool[in.Service] = true
	t.dirtyHost[in.Host] = true
}

// pin keeps the image that the first agent found behind a version's name, and
// tells when another finds a different one.
func (t *tx) pin(in *Instance, a *fleet.InstanceActual) {
	s := t.services.get(in.Service)
	if s == nil || a.Image == "" {
		return
	}
	v, ok := s.Versions[in.Version]
	if !ok || v.Pin == a.Image || v.Pin != "" && v.Pin == a.Digest {
		return
	}
	if v.Pin == "" {
		v.Pin = a.Digest
		if v.Pin == "" {
			v.Pin = a.Image
		}
		t.services.edit(in.Service).Versions = with(s.Versions, in.Version, v)
		t.dirtyMembers(in.Service)
		return
	}
	if in.Differs != a.Image {
		t.instances.edit(in.ID).Differs = a.Image
		t.event(fleet.EventImageDiffers, subjectInstance(in.ID), in.Cause, about(in, fmt.Sprintf(
			"%s runs another image under the name %s: %.19s, elsewhere it is %.19s", in, v.Spec.Image, a.Image, v.Pin)))
	}
}
