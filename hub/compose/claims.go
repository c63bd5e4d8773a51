package compose

import (
	"cmp"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
)

// claim is a port of the balancers that a service wants.
type claim struct {
	listen, target int
	path           string   // where the document asks for it
	balancers      []string // empty: all
}

// checkClaims refuses a port that two services want on the same balancer.
func checkClaims(p *problems, claims []claim) {
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.listen, b.listen), strings.Compare(a.path, b.path))
	})
	for i, c := range claims {
		for j := i - 1; j >= 0 && claims[j].listen == c.listen; j-- {
			if balance.MayMeet(claims[j].balancers, c.balancers) {
				p.add(fleet.Conflict(c.path, "listens on port %d, as %s does", c.listen, claims[j].path)).
					WithHint("choose another port, or put them on different balancers")
				break
			}
		}
	}
}
