package placement

import (
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

const mib = 1 << 20

func TestChoose(t *testing.T) {
	web := map[string]string{"tier": "web"}
	all := []string{"mount-tmpfs", "probe-tcp", "restart"}
	tests := []struct {
		name     string
		need     Need
		hosts    []Host
		want     string
		refusals []string
	}{
		{"fewest siblings", Need{}, []Host{{ID: "a", Siblings: 1}, {ID: "b"}}, "b", nil},
		{"fewest instances", Need{}, []Host{{ID: "a", Instances: 2}, {ID: "b", Instances: 1}}, "b", nil},
		{"most free memory", Need{}, []Host{{ID: "a", Memory: 10}, {ID: "b", Memory: 20}}, "b", nil},
		{"the preferred one", Need{Prefer: "b"}, []Host{{ID: "a"}, {ID: "b", Siblings: 2}, {ID: "c"}}, "b", nil},
		{"the preferred one can't", Need{Prefer: "b"}, []Host{{ID: "a", Siblings: 1}, {ID: "b", Barred: "is lost"}, {ID: "c"}}, "c", nil},
		{"first by name", Need{}, []Host{{ID: "b"}, {ID: "a"}}, "a", nil},
		{
			"every reason",
			Need{Constraints: []fleet.Constraint{{Label: "tier", Equal: true, Value: "web"}}, Features: all, Memory: 100 * mib, CPUs: 1, FixedPorts: []fleet.Port{fleet.TCP(80)}},
			[]Host{
				{ID: "web5", Labels: web, Features: all, Memory: 1 << 30, CPUs: 2, Taken: map[fleet.Port]string{fleet.TCP(80): "shop/web"}},
				{ID: "web1", Labels: web, Barred: "is lost"},
				{ID: "web2", Labels: web, Features: all, Memory: 136 * mib, UsedMemory: 100 * mib, CPUs: 2},
				{ID: "web3"},
				{ID: "web4", Labels: web, Features: all, Memory: 1 << 30, CPUs: 1, UsedCPUs: 0.5},
				{ID: "web6", Labels: web, Features: []string{"probe-tcp"}},
			},
			"",
			[]string{"web1: is lost", "web2: 64 MiB of memory short", "web3: needs label tier=web", "web4: 0.50 CPUs short", "web5: port 80 is used by shop/web", "web6: its agent doesn't know mount-tmpfs, restart; upgrade it"},
		},
		{
			"a number over tcp and over udp",
			Need{FixedPorts: []fleet.Port{{Number: 53, Protocol: "udp"}}},
			[]Host{{ID: "a", Taken: map[fleet.Port]string{{Number: 53, Protocol: "udp"}: "shop/dns"}}, {ID: "b", Taken: map[fleet.Port]string{fleet.TCP(53): "shop/dns"}}},
			"b", nil,
		},
		{"home", Need{Home: "b"}, []Host{{ID: "a"}, {ID: "b", Barred: "is lost"}}, "", []string{"a: its data is on b", "b: is lost"}},
		{"not that host", Need{Constraints: []fleet.Constraint{{Label: "hostname", Value: "a"}}}, []Host{{ID: "a"}, {ID: "b"}}, "b", nil},
		{"the smaller one is empty", Need{}, []Host{{ID: "a", Weight: 4, Siblings: 1}, {ID: "b"}}, "b", nil},
		{"four times as many on four times as much", Need{}, []Host{{ID: "a", Weight: 4, Siblings: 3, Instances: 3}, {ID: "b", Siblings: 1, Instances: 1}}, "a", nil},
		{"zone before host", Need{Spread: []string{"zone"}}, []Host{
			{ID: "a", Labels: zone("a"), Siblings: 1}, {ID: "b", Labels: zone("a")}, {ID: "c", Labels: zone("b"), Instances: 9},
		}, "c", nil},
		{"hosts without the label are alike", Need{Spread: []string{"zone"}}, []Host{{ID: "a"}, {ID: "b", Siblings: 1}, {ID: "c", Labels: zone("a"), Instances: 5}}, "c", nil},
		{"at most", Need{MostPerHost: 2}, []Host{{ID: "a", Siblings: 2}}, "", []string{"a: has 2 already, and no host may have more"}},
		{
			"generic resources", Need{Generic: []fleet.GenericResource{{Kind: "gpu", Count: 2}}},
			[]Host{{ID: "a"}, {ID: "b", Generic: map[string]int{"gpu": 1}}, {ID: "c", Generic: map[string]int{"gpu": 4}, UsedGeneric: map[string]int{"gpu": 3}}},
			"", []string{"a: has no gpu", "b: has 1 gpu, and 2 are needed", "c: 3 of its 4 gpu are taken, and 2 are needed"},
		},
		{"global", Need{OnePerHost: true}, []Host{{ID: "a", Siblings: 1}}, "", []string{"a: has one already"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, refusals := Choose(test.need, test.hosts)
			if got != test.want || len(refusals) != len(test.refusals) {
				t.Fatalf("got %q %v, want %q %v", got, refusals, test.want, test.refusals)
			}
			for i := range refusals {
				if refusals[i].String() != test.refusals[i] {
					t.Errorf("refusal %d: got %q, want %q", i, refusals[i], test.refusals[i])
				}
			}
		})
	}
}

func zone(name string) map[string]string { return map[string]string{"zone": name} }

// What a host counts for is what people would say of it, whatever its firmware keeps
// to itself.
func TestCapacity(t *testing.T) {
	const gib = int64(1 << 30)
	for _, test := range []struct {
		cpus   float64
		memory int64
		want   float64
	}{
		{1, gib, 1}, {4, 4 * gib, 4}, {4, 16 * gib, 8}, {8, 2 * gib, 4},
		{4, 4*gib - 250<<20, 4}, {64, 250 * gib, 128}, {0, 8 * gib, 1}, {2, 0, 1},
	} {
		if got := Capacity(test.cpus, test.memory); got != test.want {
			t.Errorf("%v cores and %d MiB count for %v, want %v", test.cpus, test.memory>>20, got, test.want)
		}
	}
}
