package balancer

import (
	"slices"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

func TestSooner(t *testing.T) {
	web := fleet.ServiceKey{Project: "shop", Name: "web"}
	report := func(states ...string) []fleet.PoolActual {
		pool := fleet.PoolActual{Service: web}
		for i, state := range states {
			pool.Endpoints = append(pool.Endpoints, fleet.EndpointActual{Instance: string(rune('a' + i)), State: state})
		}
		return []fleet.PoolActual{pool}
	}
	const p, d, r = fleet.EndpointPreparing, fleet.EndpointDraining, fleet.EndpointReady
	for name, c := range map[string]struct {
		before, now, want []fleet.PoolActual
		lost              bool
	}{
		"nothing new":             {report(r, d), report(r, d), report(r, d), false},
		"one gained":              {report(r, d), report(r, r), report(r, d), false},
		"a new one gained":        {report(r), report(r, r), report(r, p), false},
		"one lost":                {report(r, r), report(r, p), report(r, p), true},
		"one lost and one gained": {report(r, d), report(d, r), report(d, d), true},
		"the first report":        {nil, report(r), report(p), false},
	} {
		got, lost := sooner(c.before, c.now)
		if lost != c.lost || !slices.Equal(got[0].Endpoints, c.want[0].Endpoints) {
			t.Errorf("%s: %+v, %v", name, got, lost)
		}
	}
}
