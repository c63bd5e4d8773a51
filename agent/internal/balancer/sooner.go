package balancer

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// sooner is the part of a report that needn't wait for what is done about it:
// endpoints that have lost their traffic since the last one. Those that have
// gained it are told of once the file has them too. False: nobody lost any.
func sooner(before, now []fleet.PoolActual) ([]fleet.PoolActual, bool) {
	lost := false
	out := slices.Clone(now)
	for i := range out {
		out[i].Endpoints = slices.Clone(out[i].Endpoints)
		for j := range out[i].Endpoints {
			e := &out[i].Endpoints[j]
			was := stateIn(before, out[i].Service, e.Instance)
			switch {
			case was == fleet.EndpointReady && e.State != was:
				lost = true
			case was != fleet.EndpointReady && e.State == fleet.EndpointReady:
				e.State = was
			}
		}
	}
	return out, lost
}

// stateIn is an endpoint's state in a report; one that isn't there is new.
func stateIn(report []fleet.PoolActual, service fleet.ServiceKey, instance string) string {
	for _, pool := range report {
		if pool.Service != service {
			continue
		}
		for _, e := range pool.Endpoints {
			if e.Instance == instance {
				return e.State
			}
		}
	}
	return fleet.EndpointPreparing
}
