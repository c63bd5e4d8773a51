package placement

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

var tiers = []string{"", "web", "db"}

// someHosts are hosts of all kinds, some of them full or barred, and many alike.
func someHosts(t *rapid.T) []Host {
	hosts := make([]Host, rapid.IntRange(0, 8).Draw(t, "hosts"))
	for i := range hosts {
		id := "web" + strconv.Itoa(i)
		if i > 0 && rapid.Bool().Draw(t, "alike") {
			hosts[i] = hosts[i-1]
			hosts[i].ID = id
			continue
		}
		h := Host{
			ID: id, CPUs: 4, Memory: rapid.SampledFrom([]int64{2, 8}).Draw(t, "memory") * mib,
			UsedCPUs: rapid.SampledFrom([]float64{0, 0.5, 3.9}).Draw(t, "used CPUs"), Taken: map[fleet.Port]string{},
			Siblings: rapid.IntRange(0, 1).Draw(t, "siblings"), Labels: map[string]string{},
		}
		h.UsedMemory = rapid.SampledFrom([]int64{0, 1, 2}).Draw(t, "used memory") * mib
		h.Instances = h.Siblings + rapid.IntRange(0, 1).Draw(t, "others")
		if tier := rapid.SampledFrom(tiers).Draw(t, "tier"); tier != "" {
			h.Labels["tier"] = tier
		}
		h.Weight = rapid.SampledFrom([]float64{0, 1, 4}).Draw(t, "weight")
		if rapid.Bool().Draw(t, "gpus") {
			h.Generic, h.UsedGeneric = map[string]int{"gpu": 2}, map[string]int{"gpu": rapid.IntRange(0, 2).Draw(t, "used gpus")}
		}
		if rapid.Bool().Draw(t, "upgraded") {
			h.Features = []string{fleet.FeatureMountVolume}
		}
		for _, port := range somePorts(t) {
			h.Taken[port] = "sshd"
		}
		if rapid.IntRange(0, 5).Draw(t, "barred") == 0 {
			h.Barred = "is lost"
		}
		hosts[i] = h
	}
	return hosts
}

func somePorts(t *rapid.T) []fleet.Port {
	port := rapid.Custom(func(t *rapid.T) fleet.Port {
		return fleet.Port{Number: rapid.SampledFrom([]int{53, 80}).Draw(t, "port"), Protocol: rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "protocol")}
	})
	return rapid.SliceOfNDistinct(port, 0, 2, rapid.ID[fleet.Port]).Draw(t, "ports")
}

func someNeed(t *rapid.T) Need {
	need := Need{
		CPUs: rapid.Float64Range(0, 2).Draw(t, "CPUs"), Memory: rapid.Int64Range(0, 4).Draw(t, "memory") * mib,
		OnePerHost: rapid.IntRange(0, 3).Draw(t, "global") == 0,
	}
	if rapid.Bool().Draw(t, "fixed ports") {
		need.FixedPorts = somePorts(t)
	}
	need.MostPerHost = rapid.IntRange(0, 2).Draw(t, "most per host")
	if rapid.Bool().Draw(t, "spread") {
		need.Spread = []string{"tier"}
	}
	if rapid.IntRange(0, 3).Draw(t, "wants gpus") == 0 {
		need.Generic = []fleet.GenericResource{{Kind: "gpu", Count: rapid.IntRange(1, 3).Draw(t, "wanted gpus")}}
	}
	if rapid.Bool().Draw(t, "constrained") {
		need.Constraints = []fleet.Constraint{{Label: "tier", Equal: rapid.Bool().Draw(t, "equal"), Value: "web"}}
	}
	if rapid.IntRange(0, 3).Draw(t, "volume") == 0 {
		need.Features = []string{fleet.FeatureMountVolume}
		need.Home = rapid.SampledFrom([]string{"", "web0", "web1"}).Draw(t, "home")
	}
	return need
}

// fits says by the rules, not by the code, whether a host could have it.
func fits(need Need, h Host) bool {
	for _, c := range need.Constraints {
		if (h.Labels["tier"] == c.Value) != c.Equal {
			return false
		}
	}
	for _, port := range need.FixedPorts {
		if h.Taken[port] != "" {
			return false
		}
	}
	for _, g := range need.Generic {
		if h.Generic[g.Kind]-h.UsedGeneric[g.Kind] < g.Count {
			return false
		}
	}
	if need.MostPerHost > 0 && h.Siblings >= need.MostPerHost {
		return false
	}
	return h.Barred == "" && (need.Home == "" || need.Home == h.ID) && (!need.OnePerHost || h.Siblings == 0) &&
		(len(need.Features) == 0 || len(h.Features) > 0) &&
		(need.Memory == 0 || h.UsedMemory+need.Memory <= h.Memory) && (need.CPUs == 0 || h.UsedCPUs+need.CPUs <= h.CPUs+1e-9)
}

// take makes a host's books carry one more instance.
func take(hosts []Host, id string, need Need) {
	for i := range hosts {
		if h := &hosts[i]; h.ID == id {
			h.UsedCPUs, h.UsedMemory = h.UsedCPUs+need.CPUs, h.UsedMemory+need.Memory
			h.Siblings, h.Instances, h.Taken = h.Siblings+1, h.Instances+1, maps.Clone(h.Taken)
			for _, port := range need.FixedPorts {
				h.Taken[port] = "shop/web"
			}
			h.UsedGeneric = maps.Clone(h.UsedGeneric)
			for _, g := range need.Generic {
				h.UsedGeneric[g.Kind] += g.Count
			}
		}
	}
}

// TestAHostIsFoundIfOneFits: the chosen host can have the instance; when none
// is chosen, none can, and each says why.
func TestAHostIsFoundIfOneFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need, hosts := someNeed(t), someHosts(t)
		chosen, refusals := Choose(need, hosts)
		for _, h := range hosts {
			if fits(need, h) != (Refuse(need, &h) == "") {
				t.Errorf("%+v on %+v is refused with %q", need, h, Refuse(need, &h))
			}
			if h.ID == chosen && !fits(need, h) || chosen == "" && fits(need, h) {
				t.Errorf("%+v goes to %q of %+v", need, chosen, hosts)
			}
		}
		if chosen == "" && len(refusals) != len(hosts) {
			t.Errorf("%d hosts say %v", len(hosts), refusals)
		}
	})
}

// TestTheOrderOfHostsDoesNotMatter: neither for the choice nor for the reasons.
// What was given stays as it was.
func TestTheOrderOfHostsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need, hosts := someNeed(t), someHosts(t)
		before := slices.Clone(hosts)
		chosen, refusals := Choose(need, hosts)
		shuffled := rapid.Permutation(hosts).Draw(t, "shuffled")
		again, reasons := Choose(need, shuffled)
		if again != chosen || !slices.Equal(reasons, refusals) {
			t.Errorf("%q %v, and in another order %q %v", chosen, refusals, again, reasons)
		}
		if !reflect.DeepEqual(before, hosts) {
			t.Errorf("the hosts became %+v", hosts)
		}
	})
}

// TestNothingIsOvercommitted: however many instances come, one after another,
// no host gives away more than it has, nor a port twice.
func TestNothingIsOvercommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := someHosts(t)
		for range rapid.IntRange(0, 20).Draw(t, "instances") {
			need := someNeed(t)
			chosen, _ := Choose(need, hosts)
			for _, h := range hosts {
				for _, port := range need.FixedPorts {
					if h.ID == chosen && h.Taken[port] != "" {
						t.Errorf("port %s of %s is given away twice", port, h.ID)
					}
				}
			}
			take(hosts, chosen, need)
			for _, h := range hosts {
				if h.UsedMemory > h.Memory || h.UsedCPUs > h.CPUs+1e-6 {
					t.Fatalf("%s is overcommitted: %+v", h.ID, h)
				}
				if h.UsedGeneric["gpu"] > h.Generic["gpu"] {
					t.Fatalf("%s gives away more GPUs than it has: %+v", h.ID, h)
				}
			}
		}
	})
}

// TestInstancesAreSpread: no host ever has two instances of a service more than
// another, whatever else runs there; and where all began empty, nor two more in
// all.
func TestInstancesAreSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := make([]Host, rapid.IntRange(1, 8).Draw(t, "hosts"))
		even := rapid.Bool().Draw(t, "empty at first")
		for i := range hosts {
			hosts[i] = Host{ID: strconv.Itoa(i), Memory: 1000 * mib}
			if !even {
				hosts[i].Instances = rapid.IntRange(0, 9).Draw(t, "others")
			}
		}
		siblings, all := func(h Host) int { return h.Siblings }, func(h Host) int { return h.Instances }
		for range rapid.IntRange(1, 3).Draw(t, "services") {
			for i := range hosts {
				hosts[i].Siblings = 0
			}
			for range rapid.IntRange(0, 20).Draw(t, "instances") {
				need := Need{Memory: 1}
				chosen, _ := Choose(need, hosts)
				take(hosts, chosen, need)
				if difference(hosts, siblings) > 1 || even && difference(hosts, all) > 1 {
					t.Fatalf("spread: %+v", hosts)
				}
			}
		}
	})
}

// difference is that between the host with the most and the one with the fewest.
func difference(hosts []Host, count func(Host) int) int {
	by := func(a, b Host) int { return count(a) - count(b) }
	return count(slices.MaxFunc(hosts, by)) - count(slices.MinFunc(hosts, by))
}

// TestLargerHostsGetMore: once each host has one, no host has more of a service for
// what it is than another, but for the last one that came to it; and in all the same.
func TestLargerHostsGetMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := make([]Host, rapid.IntRange(1, 6).Draw(t, "hosts"))
		for i := range hosts {
			hosts[i] = Host{ID: strconv.Itoa(i), Memory: 1000 * mib, Weight: rapid.SampledFrom([]float64{0.5, 1, 2, 4, 8}).Draw(t, "weight")}
		}
		for range rapid.IntRange(1, 60).Draw(t, "instances") {
			chosen, _ := Choose(Need{}, hosts)
			take(hosts, chosen, Need{})
		}
		for _, a := range hosts {
			for _, b := range hosts {
				if float64(a.Siblings-1)/a.Weight > float64(b.Siblings)/b.Weight {
					t.Fatalf("%s has too many beside %s: %+v", a.ID, b.ID, hosts)
				}
			}
		}
	})
}

// TestZonesAreEven: however large its hosts are, no zone has two more than another.
func TestZonesAreEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zones := rapid.IntRange(1, 3).Draw(t, "zones")
		hosts := make([]Host, rapid.IntRange(zones, 8).Draw(t, "hosts"))
		for i := range hosts {
			hosts[i] = Host{
				ID: strconv.Itoa(i), Memory: 1000 * mib, Labels: map[string]string{"zone": strconv.Itoa(i % zones)},
				Weight: rapid.SampledFrom([]float64{1, 4}).Draw(t, "weight"), Instances: rapid.IntRange(0, 9).Draw(t, "others"),
			}
		}
		need, in := Need{Spread: []string{"zone", "rack"}}, make([]int, zones)
		for range rapid.IntRange(1, 20).Draw(t, "instances") {
			chosen, _ := Choose(need, hosts)
			take(hosts, chosen, need)
			number, _ := strconv.Atoi(chosen)
			in[number%zones]++
		}
		if slices.Max(in)-slices.Min(in) > 1 {
			t.Fatalf("by zone: %v of %+v", in, hosts)
		}
	})
}
