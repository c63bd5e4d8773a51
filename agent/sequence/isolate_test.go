package sequence

import (
	"errors"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

func pooled(name string, generation uint64, change func(*fleet.Route)) fleet.Pool {
	p := fleet.Pool{Service: fleet.ServiceKey{Project: "shop", Name: name}, Generation: generation, Routes: []fleet.Route{{Target: 80, Listen: []int{443}, Protocol: fleet.ProtocolHTTP, Hosts: []string{name + ".example"}}}}
	change(&p.Routes[0])
	return p
}

func plain(*fleet.Route)    {}
func secure(r *fleet.Route) { r.Certificates = map[int][]string{443: {"a"}} }
func spoilt(r *fleet.Route) {
	secure(r)
	r.Snippets = map[string]string{lbconf.DriverHAProxy: "acl bad always_true"}
}

// Services that share a port get TLS there only together; one that is at fault stays
// back alone, where the others can do without.
func TestIsolate(t *testing.T) {
	check := func(pools []fleet.Pool) error {
		if _, err := lbconf.Listeners(pools); err != nil {
			return err
		}
		for _, p := range pools {
			if p.Routes[0].Snippets != nil {
				return errors.New("bad")
			}
		}
		return nil
	}
	filed := []fleet.Pool{pooled("a", 1, plain), pooled("b", 1, plain)}
	alone := func(r *fleet.Route) { spoilt(r); r.Listen, r.Certificates = []int{80}, nil }
	for _, c := range []struct {
		name  string
		filed []fleet.Pool
		pools []fleet.Pool
		want  string
	}{
		{"together, beside one at fault elsewhere", filed, []fleet.Pool{pooled("a", 2, secure), pooled("b", 2, secure), pooled("c", 2, alone)}, "c"},
		{"a new one is at fault", filed, []fleet.Pool{pooled("a", 2, secure), pooled("b", 2, secure), pooled("c", 2, spoilt)}, "c"},
		{"one of two is at fault", filed, []fleet.Pool{pooled("a", 2, secure), pooled("b", 2, spoilt)}, "a b"},
		{"one that stays keeps the other back", filed, []fleet.Pool{pooled("a", 2, secure), pooled("b", 1, plain)}, "a"},
		{"nobody", nil, []fleet.Pool{pooled("a", 2, secure), pooled("b", 2, secure)}, ""},
	} {
		var got []string
		for _, fault := range Isolate(c.filed, c.pools, check) {
			got = append(got, fault.Pool.Service.Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v is at fault", c.name, got)
		}
	}
}
