package turn

import (
	"fmt"
	"net"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// View reads the state as people see it. It is only valid while the state's
// owner stands still.
type View struct{ t *tx }

// View opens the state for reading at a time.
func (s *State) View(now time.Time) View { return View{t: begin(s, now)} }

// Revision is the last one committed.
func (v View) Revision() uint64 { return v.t.s.Revision }

// Services lists the services of a project, or of all, without their details.
func (v View) Services(project string) []fleet.ServiceView {
	out := []fleet.ServiceView{}
	for _, key := range v.t.services.keys(fleet.ServiceKey.Less) {
		if project == "" || key.Project == project {
			out = append(out, v.service(key, false))
		}
	}
	return out
}

// Service reads one service with its instances and all that was asked for.
func (v View) Service(key fleet.ServiceKey) (fleet.ServiceView, bool) {
	if v.t.services.get(key) == nil {
		return fleet.ServiceView{}, false
	}
	return v.service(key, true), true
}

func (v View) service(key fleet.ServiceKey, whole bool) fleet.ServiceView {
	s := v.t.services.get(key)
	out := fleet.ServiceView{
		Key: key, Generation: s.Generation, Mode: s.Asked.Mode, Frozen: s.Frozen, Version: s.Version,
		Stopped: s.Stopped, StoppedOn: s.StoppedOn,
		Image: s.Asked.Spec.Image, Pin: s.Versions[s.Version].Pin, Desired: v.t.wanted(s), Offers: v.offers(s),
	}
	for _, in := range v.t.members(key) {
		if view := v.instance(in); in.Goal == fleet.GoalRun && !v.t.kept(s, in) {
			if view.Actual.Phase == fleet.PhaseRunning {
				out.Running++
			}
			if in.Ready {
				out.Ready++
				out.Addresses = append(out.Addresses, addressesOf(in)...)
			}
		}
	}
	if s.Rollout != nil {
		rollout := *s.Rollout
		out.Rollout = &rollout
	}
	out.State, out.Reasons = v.state(s)
	out.WaitsFor, out.Run = v.t.waitsNow(s), s.Run
	if whole {
		asked := s.Asked
		asked.Spec = shown(asked.Spec)
		out.Service = &asked
		out.Instances = v.Instances(key, "")
	}
	return out
}

// state is the service's state in a word, with the reasons.
func (v View) state(s *Service) (string, []string) {
	var noted []string
	if n := v.t.notes.get(s.Asked.Key); n != nil {
		noted = n.reasons
	}
	if s.Removing {
		return fleet.ServiceRemoving, union(noted, v.stops(s))
	}
	reasons := union(s.Held, noted, v.t.distance(s))
	switch {
	case s.Frozen:
		return fleet.ServiceFrozen, reasons
	case len(reasons) == 0 && s.Stopped:
		return fleet.ServiceStopped, nil
	case len(reasons) == 0 && s.Asked.Mode == fleet.ModeJob && v.t.isRun(s) && s.Run.Completed():
		return fleet.ServiceCompleted, nil
	case len(reasons) == 0:
		return fleet.ServiceConverged, nil
	case len(s.Held) > 0:
		return fleet.ServiceHeld, reasons
	default:
		return fleet.ServiceProgressing, reasons
	}
}

// union joins lists, each sentence once.
func union(lists ...[]string) (out []string) {
	for _, list := range lists {
		for _, text := range list {
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// stops names the instances of a service that are being stopped.
func (v View) stops(s *Service) (out []string) {
	for _, in := range v.t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalStop {
			out = append(out, v.t.stopping(in, v.t.live.get(in.Host)))
		}
	}
	return out
}

func (v View) offers(s *Service) (out []string) {
	for _, key := range v.t.balancersOf(s) {
		b := v.t.balancers.get(key)
		for _, r := range s.Asked.Balancing.Routes {
			for _, port := range r.Listen {
				out = append(out, offer(r, b.Facts.Address, port)...)
			}
		}
	}
	return out
}

// offer says where clients find a route, like "http 192.0.2.1:80 -> 8080" or
// "https shop.example.com:443/api -> 8080".
func offer(r fleet.Route, address string, port int) (out []string) {
	protocol := r.Protocol
	if len(r.Certificates[port]) > 0 {
		protocol = map[string]string{fleet.ProtocolHTTP: "https", fleet.ProtocolTCP: "tls", fleet.ProtocolGRPC: "grpcs"}[protocol]
	}
	for _, pair := range lbconf.Pairs(port, &r) {
		host := pair.Host
		if host == "" {
			host = address
		}
		out = append(out, fmt.Sprintf("%s %s%s -> %d", protocol, net.JoinHostPort(host, strconv.Itoa(port)), pair.Path, r.Target))
	}
	return out
}

func addressesOf(in *Instance) (out []string) {
	for _, target := range sorted(in.Ports, byNumber) {
		out = append(out, net.JoinHostPort(in.Address, strconv.Itoa(in.Ports[target])))
	}
	return out
}

// shown is a spec as people see it: without values of its environment, what is in its
// configs, and what drivers of volumes and logging are told, which may be passwords.
func shown(spec fleet.Spec) fleet.Spec {
	spec = spec.WithoutOptions(hidden)
	spec.Environment, spec.Configs = hideValues(spec.Environment), fleet.WithoutContent(spec.Configs)
	return spec
}

func hideValues[V any](values map[string]V) map[string]string {
	out := map[string]string{}
	for key := range values {
		out[key] = hidden
	}
	return out
}

// Instances lists instances, of one service or on one host where given.
func (v View) Instances(service fleet.ServiceKey, host string) []fleet.InstanceView {
	out := []fleet.InstanceView{}
	for _, in := range v.rows(service, host) {
		if host == "" || in.Host == host {
			out = append(out, v.instance(in))
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Service != out[j].Service {
			return out[i].Service.Less(out[j].Service)
		}
		return out[i].Slot < out[j].Slot
	})
	return out
}

func (v View) rows(service fleet.ServiceKey, host string) (rows []*Instance) {
	switch {
	case !service.IsZero():
		return v.t.members(service)
	case host != "":
		return v.t.residents(host)
	}
	for _, id := range v.t.instances.keys(byText) {
		rows = append(rows, v.t.instances.get(id))
	}
	return rows
}

func (v View) instance(in *Instance) fleet.InstanceView {
	out := fleet.InstanceView{
		ID: in.ID, Service: in.Service, Version: in.Version, Slot: in.Slot, Host: in.Host,
		Goal: in.Goal, Ready: in.Ready, Cause: in.Cause, State: fleet.PhasePending,
	}
	l := v.t.live.get(in.Host)
	if l != nil && l.instances[in.ID] != nil {
		out.Actual = *l.instances[in.ID]
		out.State, out.Reason = out.Actual.Phase, out.Actual.Reason
	}
	switch {
	case in.Lost:
		out.State = "lost"
	case l != nil && l.State == fleet.HostLost:
		out.State, out.Reason = "unheard", in.Host+" is lost"
	case in.Goal == fleet.GoalDrain:
		out.State = "draining"
	case in.Goal == fleet.GoalStop:
		out.State = fleet.PhaseStopping
	case v.t.completed(v.t.services.get(in.Service), in):
		out.State = fleet.StateCompleted
	case in.Ready && v.t.kept(v.t.services.get(in.Service), in):
		out.State = fleet.StateKept
	case in.Ready:
		out.State = "ready"
	}
	for _, key := range v.t.waits(in) {
		out.WaitsFor = append(out.WaitsFor, key.String())
	}
	return out
}
