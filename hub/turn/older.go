package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Agents may be a release older than the hub. What one doesn't know of balancers
// isn't sent to it.

// lacks are those of some features that a balancer's agent doesn't know.
func (t *tx) lacks(key fleet.BalancerKey, features ...string) (missing []string) {
	b := t.balancers.get(key)
	for _, feature := range features {
		if b == nil || !slices.Contains(b.Facts.Features, feature) {
			missing = append(missing, feature)
		}
	}
	return missing
}

// allKnow: the agent of these balancers of a host knows a feature, with all of them.
func (t *tx) allKnow(host string, names []string, feature string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return len(t.lacks(fleet.BalancerKey{Host: host, Name: name}, feature)) > 0
	})
}

// upgrade says whose agent has to be upgraded, and what for.
func upgrade(key fleet.BalancerKey, missing []string) string {
	return fmt.Sprintf("%s: its agent doesn't know %s; upgrade the agent on %s", key, strings.Join(missing, ", "), key.Host)
}

// older names the balancers of a service whose agents don't know what its rollout
// needs: that both versions run side by side and one has no traffic, and that their
// requests are counted. Nothing moves until they do.
func (t *tx) older(s *Service, r *fleet.Rollout) string {
	var needs, says []string
	if r.Beside() {
		needs = append(needs, fleet.BalancerParked)
	}
	if !*r.Spec.Verify.Off {
		needs = append(needs, fleet.BalancerMetrics)
	}
	for _, key := range t.balancersOf(s) {
		if missing := t.lacks(key, needs...); len(missing) > 0 {
			says = append(says, upgrade(key, missing))
		}
	}
	return strings.Join(says, "; ")
}

// known is how a service is offered on a host's balancers: without the routes that
// their agent doesn't know, where there are others; nil: not at all. A pool of gRPC that
// it was sent before its agent was exchanged for an older one stays: that refuses it,
// and the balancer goes on. What else it doesn't know it would leave out: TLS, say.
func (t *tx) known(asked *fleet.Balancing, host string, names []string, before *Published) *fleet.Balancing {
	if asked == nil {
		return nil
	}
	unknown, refused := false, true
	some := *asked
	some.Routes = slices.DeleteFunc(slices.Clone(asked.Routes), func(r fleet.Route) bool {
		leave := false
		for _, feature := range r.Features() {
			if !t.allKnow(host, names, feature) {
				leave, refused = true, refused && feature == fleet.BalancerGRPC
			}
		}
		unknown = unknown || leave
		return leave
	})
	switch {
	case !unknown:
		return asked
	case len(some.Routes) > 0:
		return &some
	case before != nil && !before.Pool.Removed && refused:
		return asked
	}
	return nil
}

// unoffered says on which balancers a service lacks routes because of their agents.
func (t *tx) unoffered(s *Service) (reasons []string) {
	if s.Asked.Balancing == nil {
		return nil
	}
	for _, key := range t.balancersOf(s) {
		for i := range s.Asked.Balancing.Routes {
			route := &s.Asked.Balancing.Routes[i]
			missing := t.lacks(key, route.Features()...)
			switch {
			case len(missing) == 1 && missing[0] == fleet.BalancerGRPC:
				reasons = append(reasons, heldPrefix+"it isn't offered by "+fleet.ProtocolGRPC+" on "+upgrade(key, missing))
			case len(missing) > 0:
				reasons = append(reasons, fmt.Sprintf("%sits container port %d isn't offered on %s", heldPrefix, route.Target, upgrade(key, missing)))
			}
		}
	}
	return reasons
}
