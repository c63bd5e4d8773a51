package balance

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

func TestMayMeet(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b []string
		want bool
	}{
		{"all and all", nil, nil, true},
		{"all and one", nil, []string{"web1/haproxy"}, true},
		{"a name on every host and one there", []string{"haproxy"}, []string{"web1/haproxy"}, true},
		{"the same one", []string{"web1/haproxy", "web2/haproxy"}, []string{"web2/haproxy"}, true},
		{"two hosts", []string{"web1/haproxy"}, []string{"web2/haproxy"}, false},
		{"two names", []string{"haproxy"}, []string{"nginx", "web1/nginx"}, false},
		{"a host of that name", []string{"web1"}, []string{"web1/haproxy"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if MayMeet(test.a, test.b) != test.want || MayMeet(test.b, test.a) != test.want {
				t.Errorf("want %v", test.want)
			}
		})
	}
}

// Two selections may meet when, and only when, there may be a balancer that is
// in both.
func TestSelectionsMeetOnSomeBalancer(t *testing.T) {
	names := []string{"a", "b", "x", "y"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(append(names, "a/x", "a/y", "b/x", "b/y"))
		one := &fleet.Balancing{Balancers: rapid.SliceOfN(name, 0, 3).Draw(t, "one")}
		other := &fleet.Balancing{Balancers: rapid.SliceOfN(name, 0, 3).Draw(t, "other")}
		meet := false
		for _, host := range names {
			for _, name := range names {
				key := fleet.BalancerKey{Host: host, Name: name}
				meet = meet || Selected(one, key) && Selected(other, key)
			}
		}
		if MayMeet(one.Balancers, other.Balancers) != meet {
			t.Errorf("they meet: %v", meet)
		}
	})
}
