package turn

import (
	"cmp"
	"fmt"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
)

// Hosts lists every host.
func (v View) Hosts() []fleet.HostView {
	out := []fleet.HostView{}
	for _, id := range v.t.hosts.keys(byText) {
		out = append(out, v.host(id))
	}
	return out
}

// Host reads one host.
func (v View) Host(id string) (fleet.HostView, bool) {
	if v.t.hosts.get(id) == nil {
		return fleet.HostView{}, false
	}
	out := v.host(id)
	for _, key := range v.t.services.keys(fleet.ServiceKey.Less) {
		if v.t.services.get(key).stoppedOn(id) {
			out.Stopped = append(out.Stopped, key)
		}
	}
	return out, true
}

func (v View) host(id string) fleet.HostView {
	h := v.t.hosts.get(id)
	out := fleet.HostView{
		ID: id, Generation: h.Generation, Availability: h.Availability, Frozen: h.Frozen, Failed: h.Failed,
		Facts: h.Facts, DesiredGeneration: h.Desired,
		Status: fleet.HostStatus{State: fleet.HostUnknown, Since: v.t.s.Started},
	}
	if m := h.Maintenance; m != nil {
		out.Maintenance = &fleet.MaintenanceView{Since: m.Since, Until: m.Until, Reason: m.Reason, Actor: m.Actor, Cause: m.Cause}
	}
	if l := h.Leaving; l != nil {
		out.Leaving = &fleet.LeavingView{Policy: l.Policy, Force: l.Force, Since: l.Since, Cause: l.Cause, Told: l.Told != 0}
		out.Reasons = v.t.leavingWaits(h)
	}
	if l := v.t.live.get(id); l != nil {
		out.Status = fleet.HostStatus{State: l.State, Since: l.Since}
		out.Observed = l.Presence.Observed
		if l.Alien != "" && h.Leaving == nil {
			out.Reasons = append(out.Reasons, "its agent "+v.t.foreign(l.Alien))
		}
		if l.Actual != nil {
			out.Engine, out.Foreign = l.Actual.Engine, l.Actual.Foreign
			for _, a := range l.Actual.Instances {
				if a.Unclaimed || v.t.unsettled(id) && v.t.instances.get(a.ID) == nil {
					out.Unclaimed = append(out.Unclaimed, a)
				}
			}
		}
	}
	for _, in := range v.t.residents(id) {
		out.Instances++
		if in.Ready {
			out.Ready++
		}
		if s := v.t.services.get(in.Service); h.Availability == fleet.AvailabilityDrain && h.Leaving == nil && s != nil && s.Asked.Spec.Pinned() && in.Goal == fleet.GoalRun {
			out.Reasons = append(out.Reasons, fmt.Sprintf("%s stays: its data is here", in.Service))
		}
		if version := v.t.versionOf(in); version != nil {
			out.Reserved.MemoryReservation += placement.Reserved(version.Spec.Resources)
			out.Reserved.CPUReservation += version.Spec.Resources.CPUReservation
		}
	}
	return out
}

// Balancers lists every balancer that isn't forgotten.
func (v View) Balancers() []fleet.BalancerView {
	out := []fleet.BalancerView{}
	for _, key := range v.t.balancers.keys(fleet.BalancerKey.Less) {
		b := v.t.balancers.get(key)
		if b.Forgotten != "" {
			continue
		}
		view := fleet.BalancerView{Key: key, Facts: b.Facts, Silent: true}
		if l := v.t.live.get(key.Host); l != nil && l.State == fleet.HostUp && l.Actual != nil {
			view.Silent = false
			for _, a := range l.Actual.Balancers {
				if a.Name == key.Name {
					view.Up, view.Problem, view.Promise = a.Up, a.Problem, a.Promise
					view.Facts.Version = cmp.Or(a.Version, view.Facts.Version)
				}
			}
		}
		for _, ref := range v.t.poolRefs(key.Host) {
			if containsText(v.t.pools.get(PoolKey{Host: key.Host, Service: ref.Service}).Pool.Balancers, key.Name) {
				view.Services++
			}
		}
		out = append(out, view)
	}
	return out
}

// Pools reads a service's pools, one for each balancer, wanted beside actual.
func (v View) Pools(service fleet.ServiceKey) []fleet.PoolView {
	out := []fleet.PoolView{}
	for _, key := range v.t.balancers.keys(fleet.BalancerKey.Less) {
		p := v.t.pools.get(PoolKey{Host: key.Host, Service: service})
		if p != nil && v.t.balancers.get(key).Forgotten == "" && containsText(p.Pool.Balancers, key.Name) {
			out = append(out, v.pool(key, p))
		}
	}
	return out
}

func (v View) pool(key fleet.BalancerKey, p *Published) fleet.PoolView {
	out := fleet.PoolView{Balancer: key, Generation: p.Pool.Generation, Endpoints: []fleet.EndpointView{}}
	var report *fleet.PoolActual
	if l := v.t.live.get(key.Host); l != nil {
		report = l.pools[key.Name][p.Pool.Service]
	}
	if report != nil {
		out.Applied, out.Problem = report.Generation, report.Problem
	}
	for _, r := range p.Pool.Routes {
		for _, port := range r.Listen {
			out.Listen = append(out.Listen, offer(r, v.t.balancers.get(key).Facts.Address, port)...)
		}
	}
	for _, e := range p.Pool.Endpoints {
		view := fleet.EndpointView{Endpoint: e}
		if in := v.t.instances.get(e.Instance); in != nil {
			view.Host = in.Host
		}
		if report != nil {
			for i := range report.Endpoints {
				if report.Endpoints[i].Instance == e.Instance {
					view.Actual = &report.Endpoints[i]
				}
			}
		}
		out.Endpoints = append(out.Endpoints, view)
	}
	return out
}

func containsText(list []string, text string) bool {
	for _, item := range list {
		if item == text {
			return true
		}
	}
	return false
}
