package turn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
)

// ExplainInstance says why an instance is where it is; false: there is none.
func (v View) ExplainInstance(id string) (fleet.Explanation, bool) {
	in := v.t.instances.get(id)
	if in == nil || v.t.services.get(in.Service) == nil {
		return fleet.Explanation{}, false
	}
	s := v.t.services.get(in.Service)
	out := v.explanation(s, in.Slot)
	view := v.instance(in)
	out.Instance, out.Version, out.Host, out.State, out.Cause = in.ID, in.Version, in.Host, view.State, in.Cause
	out.Pools = v.inPools(in)
	need, hosts := placement.Of(&s.Asked, out.Data), v.without(s, in)
	out.Hosts = choices(need, hosts, in.Host)
	out.Verdict = v.verdict(s, in, need, hosts)
	return out, true
}

// ExplainService says where one more instance of a service would go, or the one of a
// slot, which may have its data somewhere; 0: any. False: there is no such service.
func (v View) ExplainService(key fleet.ServiceKey, slot int) (fleet.Explanation, bool) {
	s := v.t.services.get(key)
	if s == nil {
		return fleet.Explanation{}, false
	}
	for _, in := range v.t.members(key) {
		if slot != 0 && in.Slot == slot && in.Goal == fleet.GoalRun {
			return v.ExplainInstance(in.ID)
		}
	}
	out := v.explanation(s, slot)
	need, hosts := placement.Of(&s.Asked, out.Data), v.t.candidates(s, v.t.siblings(s, v.t.members(key)), "")
	out.Hosts = choices(need, hosts, "")
	what := "one more"
	if slot != 0 {
		what = fmt.Sprintf("slot %d", slot)
	}
	if host, refusals := placement.Choose(need, hosts); host != "" {
		out.Verdict = fmt.Sprintf("%s would be placed on %s", what, host)
	} else {
		out.Verdict = strings.Replace(strings.TrimPrefix(v.t.refusal(&s.Asked, slot, refusals), heldPrefix), fmt.Sprintf("slot %d", slot), what, 1)
	}
	return out, true
}

func (v View) explanation(s *Service, slot int) fleet.Explanation {
	_, reasons := v.state(s)
	return fleet.Explanation{
		Service: s.Asked.Key, Slot: slot, Version: s.Version, Needs: needs(&s.Asked), Data: v.t.homeOf(s, slot), Reasons: few(reasons),
	}
}

// without are the hosts as they would be if the instance weren't there.
func (v View) without(s *Service, in *Instance) []placement.Host {
	siblings := v.t.siblings(s, v.t.members(s.Asked.Key))
	if in.Goal == fleet.GoalRun && !v.t.outdated(s, in) {
		siblings[in.Host]--
	}
	hosts := v.t.candidates(s, siblings, "")
	for i := range hosts {
		if h := &hosts[i]; h.ID == in.Host {
			h.Instances--
			vacate(h, v.t.versionOf(in))
			for _, port := range v.t.fixedPorts(in) {
				h.Taken = without(h.Taken, port)
			}
		}
	}
	return hosts
}

// verdict compares where an instance is with where it would be placed now.
func (v View) verdict(s *Service, in *Instance, need placement.Need, hosts []placement.Host) string {
	at := slices.IndexFunc(hosts, func(h placement.Host) bool { return h.ID == in.Host })
	best, refusals := placement.Choose(need, hosts)
	there := slices.IndexFunc(hosts, func(h placement.Host) bool { return h.ID == best })
	switch {
	case in.Goal != fleet.GoalRun:
		return fmt.Sprintf("it leaves %s", in.Host)
	case at < 0:
		return in.Host + " isn't in the fleet any more"
	case need.Home == in.Host:
		return "it stays on " + in.Host + ": its data is there"
	case best == in.Host:
		return "it would be placed on " + best + " again"
	}
	if why := placement.Refuse(need, &hosts[at]); why != "" {
		where := "nor could any other host have it: " + strings.TrimPrefix(v.t.refusal(&s.Asked, in.Slot, refusals), heldPrefix)
		if best != "" {
			where = "the next one would be placed on " + best
		}
		return fmt.Sprintf("it is on %s, which would not be given it now (%s); %s", in.Host, why, where)
	}
	scores := placement.Scores(need, hosts)
	if scores[there].Rank(scores[at]) >= 0 {
		return fmt.Sprintf("%s would do as well: what is left between the two, free memory and their names, is no reason to move it", best)
	}
	here := hosts[at]
	here.Siblings, here.Instances = here.Siblings+1, here.Instances+1
	why := whyBetter(need, &here, &hosts[there], scores[at], scores[there])
	if stuck := v.t.stuckTo(s); stuck != "" {
		return fmt.Sprintf("it would be placed on %s now (%s), and is not moved: %s", best, why, stuck)
	}
	return fmt.Sprintf("it would be placed on %s now (%s): muster rebalance %s moves it", best, why, s.Asked.Key)
}

// choices are the hosts for an instance, the best first.
func choices(need placement.Need, hosts []placement.Host, here string) []fleet.HostChoice {
	scores := placement.Scores(need, hosts)
	order := make([]int, len(hosts))
	out := make([]fleet.HostChoice, 0, len(hosts))
	for i := range order {
		order[i] = i
	}
	refused := func(i int) int { return min(1, len(placement.Refuse(need, &hosts[i]))) }
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(refused(a), refused(b)), scores[a].Compare(scores[b])) })
	for _, i := range order {
		h := &hosts[i]
		choice := fleet.HostChoice{
			Host: h.ID, Here: h.ID == here, Refusal: placement.Refuse(need, h), Siblings: h.Siblings, Instances: h.Instances,
			Capacity: h.Weight, Free: h.Memory - h.UsedMemory,
		}
		for n, label := range need.Spread {
			choice.Groups = append(choice.Groups, fleet.GroupChoice{Label: label, Value: h.Labels[label], Siblings: scores[i].Groups[n]})
		}
		out = append(out, choice)
	}
	return out
}

// needs are what a service asks of a host, in words.
func needs(s *fleet.Service) (out []string) {
	for _, c := range s.Constraints {
		out = append(out, c.String())
	}
	need := placement.Of(s, "")
	if need.CPUs > 0 {
		out = append(out, fmt.Sprintf("%g CPUs reserved", need.CPUs))
	}
	if need.Memory > 0 {
		out = append(out, fmt.Sprintf("%d MiB of memory reserved", need.Memory>>20))
	}
	for _, g := range need.Generic {
		out = append(out, fmt.Sprintf("%d %s", g.Count, g.Kind))
	}
	for _, port := range need.FixedPorts {
		out = append(out, fmt.Sprintf("port %s of the host", port))
	}
	if need.OnePerHost {
		out = append(out, "one on every host")
	}
	if need.MostPerHost > 0 {
		out = append(out, fmt.Sprintf("at most %d on a host", need.MostPerHost))
	}
	if len(need.Features) > 0 {
		out = append(out, "an agent that knows "+strings.Join(need.Features, ", "))
	}
	for _, label := range need.Spread {
		out = append(out, "spread over the label "+label)
	}
	return out
}

// inPools says what each balancer that serves the service has of an instance.
func (v View) inPools(in *Instance) (out []string) {
	for _, pool := range v.Pools(in.Service) {
		text := "doesn't have it"
		for _, e := range pool.Endpoints {
			if e.Instance != in.ID {
				continue
			}
			text = e.State + ", not taken yet"
			if e.Actual != nil {
				text = fmt.Sprintf("%s, check %s", e.Actual.State, cmp.Or(e.Actual.Check, fleet.CheckUnknown))
			}
		}
		out = append(out, fmt.Sprintf("%s: %s", pool.Balancer, text))
	}
	return out
}
