package placement

import (
	"cmp"
	"math"
	"slices"
)

// Score says how well a host suits one more instance of a service. Less is better,
// but for Free; the first part that differs decides.
//
// What operators expect follows from the order: a second instance never joins the
// first while another host has none, so three on three hosts are one on each,
// however large one of them is. Beyond that a host of four times the capacity gets
// four times as many, of each service and in all.
type Score struct {
	// Groups are the siblings on hosts that are alike in the labels to spread over: in
	// the first, in the first two …
	Groups    []int
	Siblings  float64 // on the host, for each unit of its capacity
	Instances float64 // of every service, with the one that would come, for each unit
	Free      int64   // bytes of memory that nobody has reserved
	Host      string  // the last word, so that the same question has the same answer
}

// Compare is negative if s is better than o.
func (s Score) Compare(o Score) int {
	return cmp.Or(s.Rank(o), cmp.Compare(o.Free, s.Free), cmp.Compare(s.Host, o.Host))
}

// Rank compares without what is too small to move an instance for.
func (s Score) Rank(o Score) int { return cmp.Or(s.Spread(o), cmp.Compare(s.Instances, o.Instances)) }

// Spread compares by the service's own instances only.
func (s Score) Spread(o Score) int {
	return cmp.Or(slices.Compare(s.Groups, o.Groups), cmp.Compare(s.Siblings, o.Siblings))
}

// Scores are those of all hosts for one more instance, in the order of the hosts,
// whether they could take it or not.
func Scores(need Need, hosts []Host) []Score {
	groups := grouped(need.Spread, hosts)
	out := make([]Score, len(hosts))
	for i := range hosts {
		out[i] = scoreOf(need, &hosts[i], groups)
	}
	return out
}

func scoreOf(need Need, h *Host, groups map[string]int) Score {
	s := Score{
		Siblings: float64(h.Siblings) / h.weight(), Instances: float64(h.Instances+1) / h.weight(),
		Free: h.Memory - h.UsedMemory, Host: h.ID,
	}
	for _, group := range Groups(need.Spread, h.Labels) {
		s.Groups = append(s.Groups, groups[group])
	}
	return s
}

func (h *Host) weight() float64 {
	if h.Weight == 0 {
		return 1
	}
	return h.Weight
}

// Groups are what a host with such labels belongs to, by each of the labels to
// spread over: hosts without one are alike.
func Groups(spread []string, labels map[string]string) []string {
	out := make([]string, 0, len(spread))
	group := ""
	for _, label := range spread {
		group += label + "=" + labels[label] + "\n"
		out = append(out, group)
	}
	return out
}

// grouped counts siblings by group.
func grouped(spread []string, hosts []Host) map[string]int {
	if len(spread) == 0 {
		return nil
	}
	groups := map[string]int{}
	for i := range hosts {
		for _, group := range Groups(spread, hosts[i].Labels) {
			groups[group] += hosts[i].Siblings
		}
	}
	return groups
}

// Capacity is what a host counts for beside others: the geometric mean of its cores
// and its GiB of memory, so that neither alone makes a host large. It is rounded to
// steps of about a fifth, as machines that were bought as the same never are to the
// last byte. What isn't known counts as one.
func Capacity(cpus float64, memory int64) float64 {
	const steps = 4 // for each doubling
	log := math.Log2(max(cpus, 0.25)) + math.Log2(max(float64(memory)/(1<<30), 0.25))
	if cpus <= 0 || memory <= 0 {
		return 1
	}
	return math.Exp2(math.Round(log/2*steps) / steps)
}
