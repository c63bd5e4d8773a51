package sequence

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// IndexOf finds a service's pool, or is -1.
func IndexOf(pools []fleet.Pool, key fleet.ServiceKey) int {
	return slices.IndexFunc(pools, func(p fleet.Pool) bool { return p.Service == key })
}

// ByService orders pools.
func ByService(a, b fleet.Pool) int {
	switch {
	case a.Service.Less(b.Service):
		return -1
	case b.Service.Less(a.Service):
		return 1
	}
	return 0
}
