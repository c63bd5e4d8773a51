package sequence

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// Fault is a pool that makes a configuration fail, and how.
type Fault struct {
	Pool  fleet.Pool
	Cause error
}

// Isolate finds out which pools make a configuration fail. Beginning with what the
// file holds, those that changed are added: all at once that share a port with each
// other, as they may do that in a new way only together; and where that fails, all but
// one, and at last each alone.
func Isolate(filed, pools []fleet.Pool, check func([]fleet.Pool) error) (faults []Fault) {
	good := slices.Clone(filed)
	for _, group := range groups(filed, pools) {
		try := with(good, group...)
		err := check(try)
		if err == nil {
			good = try
			continue
		}
		if len(group) == 1 {
			faults = append(faults, Fault{group[0], err})
			continue
		}
		if rest, fault := withoutOne(good, group, check); rest != nil {
			good, faults = rest, append(faults, fault)
			continue
		}
		for _, pool := range group {
			try := with(good, pool)
			if err := check(try); err != nil {
				faults = append(faults, Fault{pool, err})
				continue
			}
			good = try
		}
	}
	return faults
}

// maxGroup bounds a group that is tried without each of its pools.
const maxGroup = 16

// withoutOne finds the one pool of a group that the others do without; nil: none.
func withoutOne(good, group []fleet.Pool, check func([]fleet.Pool) error) ([]fleet.Pool, Fault) {
	for i := range group[:min(len(group), maxGroup)] {
		try := with(good, slices.Concat(group[:i], group[i+1:])...)
		if check(try) != nil {
			continue
		}
		if err := check(with(try, group[i])); err != nil {
			return try, Fault{group[i], err}
		}
	}
	return nil, Fault{}
}

// groups are the pools that changed, those together that share a port, before or now.
func groups(filed, pools []fleet.Pool) (out [][]fleet.Pool) {
	var listen []map[int]bool // of each group
	for _, pool := range pools {
		ports := map[int]bool{}
		note(ports, pool)
		if i := IndexOf(filed, pool.Service); i >= 0 {
			if SamePool(filed[i], pool) {
				continue
			}
			note(ports, filed[i])
		}
		group := []fleet.Pool{pool}
		for i := len(out) - 1; i >= 0; i-- {
			if meet(listen[i], ports) {
				group = append(group, out[i]...)
				for port := range listen[i] {
					ports[port] = true
				}
				out, listen = slices.Delete(out, i, i+1), slices.Delete(listen, i, i+1)
			}
		}
		slices.SortFunc(group, ByService)
		out, listen = append(out, group), append(listen, ports)
	}
	return out
}

func note(ports map[int]bool, pool fleet.Pool) {
	for _, route := range pool.Routes {
		for _, port := range route.Listen {
			ports[port] = true
		}
	}
}

func meet(a, b map[int]bool) bool {
	for port := range a {
		if b[port] {
			return true
		}
	}
	return false
}

// with are pools with others in their place, or added.
func with(pools []fleet.Pool, others ...fleet.Pool) []fleet.Pool {
	out := slices.Clone(pools)
	for _, pool := range others {
		if i := IndexOf(out, pool.Service); i >= 0 {
			out[i] = pool
		} else {
			out = append(out, pool)
		}
	}
	slices.SortFunc(out, ByService)
	return out
}
