package compose

import (
	"cmp"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// claim is a port of the balancers that a service wants.
type claim struct {
	listen, target int
	path           string   // where the document asks for it
	service        string   // the path of the service
	balancers      []string // empty: all
	route          *fleet.Route
}

// checkClaims refuses a port that two services, or two container ports of one, want on
// the same balancer and can't share.
func checkClaims(p *problems, claims []claim) {
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.listen, b.listen), strings.Compare(a.path, b.path), cmp.Compare(a.target, b.target))
	})
	for i, c := range claims {
		for j := i - 1; j >= 0 && claims[j].listen == c.listen; j-- {
			why := lbconf.Clash(c.listen, claims[j].route, c.route)
			if why == "" || !balance.MayMeet(claims[j].balancers, c.balancers) {
				continue
			}
			refuseClaim(p, claims[j], c, why)
			break
		}
	}
}

func refuseClaim(p *problems, first, second claim, why string) {
	routed := second.route.Routed(second.listen) || first.route.Routed(second.listen)
	if routed {
		why = ", and " + why
	} else {
		why = ""
	}
	var e *fleet.Error
	if first.service == second.service {
		e = p.add(fleet.Conflict(second.path, "listens on port %d for container port %d; %s listens on it for %d%s", second.listen, second.target, first.path, first.target, why))
	} else {
		e = p.add(fleet.Conflict(second.path, "listens on port %d, as %s does%s", second.listen, first.path, why)).
			WithHint("choose another port, or put them on different balancers")
	}
	if first.route.Protocol != fleet.ProtocolTCP && second.route.Protocol != fleet.ProtocolTCP {
		e.WithHint("choose another port, or tell them apart by hosts or paths")
	}
}
