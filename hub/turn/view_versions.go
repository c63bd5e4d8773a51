package turn

import (
	"math"
	"slices"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// Versions lists the kept versions of a service, the newest first.
func (v View) Versions(key fleet.ServiceKey) ([]fleet.VersionView, bool) {
	s := v.t.services.get(key)
	if s == nil {
		return nil, false
	}
	out := []fleet.VersionView{}
	numbers := sorted(s.Versions, byNumber)
	for i, number := range slices.Backward(numbers) {
		out = append(out, v.version(s, number, numbers[:i]))
	}
	return out, true
}

// Version reads one kept version with its spec.
func (v View) Version(key fleet.ServiceKey, number int) (fleet.VersionView, bool) {
	s := v.t.services.get(key)
	if s == nil {
		return fleet.VersionView{}, false
	}
	numbers := sorted(s.Versions, byNumber)
	i, found := slices.BinarySearch(numbers, number)
	if !found {
		return fleet.VersionView{}, false
	}
	out := v.version(s, number, numbers[:i])
	spec := shown(s.Versions[number].Spec)
	out.Spec = &spec
	return out, true
}

func (v View) version(s *Service, number int, older []int) fleet.VersionView {
	version := s.Versions[number]
	out := fleet.VersionView{
		Number: number, Created: version.Created, Actor: version.Actor, Cause: version.Cause,
		Image: version.Spec.Image, Pin: version.Pin, Current: number == s.Version,
	}
	for _, in := range v.t.members(s.Asked.Key) {
		if in.Version == number {
			out.Instances++
		}
	}
	if len(older) > 0 {
		out.Fields = diffVersions(s.Versions[older[len(older)-1]], version)
	}
	return out
}

// Diff lists how one kept version differs from another.
func (v View) Diff(key fleet.ServiceKey, from, to int) ([]fleet.FieldChange, error) {
	s := v.t.services.get(key)
	if s == nil {
		return nil, fleet.NotFound("there is no service %s", key)
	}
	for _, number := range []int{from, to} {
		if _, kept := s.Versions[number]; !kept {
			return nil, fleet.NotFound("version %d of %s isn't kept", number, key).WithHint("muster versions %s lists those that are", key)
		}
	}
	return diffVersions(s.Versions[from], s.Versions[to]), nil
}

// diffVersions compares what people asked for, and the images behind the same
// name where both are known. What a spec requires follows from the rest.
func diffVersions(from, to fleet.Version) []fleet.FieldChange {
	from.Spec.Requires, to.Spec.Requires = nil, nil
	changes := Diff(&fleet.Service{Spec: from.Spec}, &fleet.Service{Spec: to.Spec})
	if from.Spec.Image == to.Spec.Image && from.Pin != to.Pin && from.Pin != "" && to.Pin != "" {
		changes = append([]fleet.FieldChange{{Path: "pin", From: from.Pin, To: to.Pin}}, changes...)
	}
	return changes
}

// Rollout reads a service's last rollout with both of its versions as they are.
func (v View) Rollout(key fleet.ServiceKey) (fleet.RolloutView, bool) {
	s := v.t.services.get(key)
	if s == nil || s.Rollout == nil {
		return fleet.RolloutView{}, false
	}
	out := fleet.RolloutView{Service: key, Rollout: *s.Rollout}
	for _, number := range []int{s.Rollout.From, s.Rollout.To} {
		out.Versions = append(out.Versions, v.use(key, number))
	}
	out.Weight = v.share(key, s.Rollout.To)
	if w := v.t.windows.get(key); w != nil && w.rollout == s.Rollout.ID {
		step := *s.Rollout
		step.Served = w.since
		news, olds := v.t.countsOf(s, &step)
		count(&out.Versions[0], olds)
		count(&out.Versions[1], news)
	}
	return out, true
}

// count adds what the balancers have counted in the window that is judged.
func count(use *fleet.VersionUse, c rollout.Counts) {
	use.Requests, use.Failed, use.AverageMS = int(c.Requests), int(c.Failed), int(math.Round(c.AverageMS))
}

func (v View) use(key fleet.ServiceKey, number int) fleet.VersionUse {
	out := fleet.VersionUse{Version: number}
	for _, in := range v.t.members(key) {
		if in.Version != number {
			continue
		}
		view := v.instance(in)
		out.Restarts += view.Actual.Restarts
		if in.Goal != fleet.GoalRun {
			continue
		}
		out.Wanted++
		if view.Actual.Phase == fleet.PhaseRunning {
			out.Running++
		}
		if in.Ready {
			out.Ready++
		}
	}
	for _, e := range v.offered(key) {
		if e.Version == number {
			out.Weight = max(out.Weight, e.Weight)
		}
	}
	return out
}

// share is a version's part of the traffic that the balancers are asked for, in
// percent.
func (v View) share(key fleet.ServiceKey, number int) int {
	all, mine := 0, 0
	for _, e := range v.offered(key) {
		all += e.Weight
		if e.Version == number {
			mine += e.Weight
		}
	}
	if all == 0 {
		return 0
	}
	return (100*mine + all/2) / all
}

// offered are the endpoints that may get traffic, as the first balancer of the
// service is sent them: all are sent the same.
func (v View) offered(key fleet.ServiceKey) (out []fleet.Endpoint) {
	pools := v.Pools(key)
	if len(pools) == 0 {
		return nil
	}
	for _, e := range pools[0].Endpoints {
		if e.State == fleet.EndpointReady {
			out = append(out, e.Endpoint)
		}
	}
	return out
}
