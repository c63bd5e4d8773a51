package lbconf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Structure fingerprints what only a reload changes: the addresses to listen
// on, and the routes and checks of all pools. The running worker holds the
// structure of the file that it was started with, in StructureVar. Endpoints,
// weights and states are the runtime API's business.
func Structure(input Input) string {
	var text strings.Builder
	for _, address := range input.Global.Bind {
		fmt.Fprintf(&text, "bind %s\n", address)
	}
	for _, pool := range input.Pools {
		if pool.Removed {
			continue
		}
		check := pool.Check
		fmt.Fprintf(&text, "pool %s\n", pool.Service)
		fmt.Fprintf(&text, "check %q %q %s %s %d %d\n", check.Type, check.Path, check.Interval, check.Timeout, check.Rise, check.Fall)
		for _, route := range pool.Routes {
			fmt.Fprintf(&text, "route %q %d %v\n", route.Protocol, route.Target, route.Listen)
		}
	}
	return sum([]byte(text.String()))[:32]
}

// SameSection says whether two states of a pool differ in nothing that needs
// a reload.
func SameSection(a, b fleet.Pool) bool {
	if a.Removed || b.Removed {
		return a.Removed == b.Removed
	}
	return a.Check == b.Check && slices.EqualFunc(a.Routes, b.Routes, func(x, y fleet.Route) bool {
		return x.Target == y.Target && x.Protocol == y.Protocol && slices.Equal(x.Listen, y.Listen)
	})
}
