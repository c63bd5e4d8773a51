// Package placement decides which host runs an instance, and says why a host
// can't. It is pure: the same input gives the same answer.
package placement

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// Host is what placement needs to know of a host.
type Host struct {
	ID     string
	Labels map[string]string
	OS     string // as in fleet.HostFacts
	Arch   string
	// Barred says in words why nothing may be placed here now; empty: it may.
	Barred   string
	Features []string // that its agent knows
	CPUs     float64  // cores the machine has
	Memory   int64    // bytes the machine has
	// UsedCPUs and UsedMemory are reserved by our instances or used by
	// foreign containers and processes.
	UsedCPUs   float64
	UsedMemory int64
	Taken      map[fleet.Port]string // host ports in use, and by what
	Siblings   int                   // instances of the same service that stay here
	Instances  int                   // instances of every service that stay here
	Weight     float64               // its Capacity; 0 counts as 1
	// Generic are the resources that its agent announces, by kind, and UsedGeneric
	// those that our instances have.
	Generic     map[string]int
	UsedGeneric map[string]int
}

// Need is what one instance of a service asks of its host.
type Need struct {
	Constraints []fleet.Constraint
	Features    []string // that its agent has to know
	CPUs        float64
	Memory      int64
	FixedPorts  []fleet.Port
	// Home is the host that has the instance's data; empty: none has.
	Home string
	// Prefer is the host that is taken if it can have the instance; empty: none is.
	Prefer string
	// OnePerHost is set for global services: a host with a sibling is full.
	OnePerHost bool
	// MostPerHost is how many siblings a host may have; 0: any number.
	MostPerHost int
	// Spread are labels over whose values the service's instances are to be spread
	// evenly, the most important first.
	Spread []string
	// Generic are the resources that it takes, by kind; sorted.
	Generic []fleet.GenericResource
}

// Refusal says why one host can't take an instance.
type Refusal struct {
	Host   string
	Reason string
}

// String writes the refusal as operators read it: "web3: needs label tier=web".
func (r Refusal) String() string { return r.Host + ": " + r.Reason }

// Of is the Need of a service's instances.
func Of(s *fleet.Service, home string) Need {
	r := s.Spec.Resources
	return Need{
		Constraints: s.Constraints,
		Features:    s.Spec.Features(),
		CPUs:        r.CPUReservation,
		Memory:      Reserved(r),
		FixedPorts:  s.Spec.FixedPorts(),
		Home:        home,
		OnePerHost:  s.Mode == fleet.ModeGlobal,
		MostPerHost: s.MostPerHost,
		Spread:      s.Spread,
		Generic:     s.Spec.GenericResources(),
	}
}

// Reserved is the memory that is set aside for an instance: its reservation,
// else its limit. Zero: nothing is known, nothing is set aside.
func Reserved(r fleet.Resources) int64 {
	if r.MemoryReservation > 0 {
		return r.MemoryReservation
	}
	return r.MemoryLimit
}

// Choose picks the host for one instance: of those that can take it, the
// preferred one, else the one with the best Score. When none can, host is empty
// and refusals says why, host by host in order of their names.
func Choose(need Need, hosts []Host) (host string, refusals []Refusal) {
	var best Score
	groups := grouped(need.Spread, hosts)
	for i := range hosts {
		h := &hosts[i]
		if reason := Refuse(need, h); reason != "" {
			refusals = append(refusals, Refusal{Host: h.ID, Reason: reason})
			continue
		}
		if host == need.Prefer && host != "" {
			continue
		}
		if score := scoreOf(need, h, groups); host == "" || h.ID == need.Prefer || score.Compare(best) < 0 {
			host, best = h.ID, score
		}
	}
	if host != "" {
		return host, nil
	}
	sort.Slice(refusals, func(i, j int) bool { return refusals[i].Host < refusals[j].Host })
	return "", refusals
}

// Refuse says why the host can't take the instance; empty: it can.
func Refuse(need Need, h *Host) string {
	if need.Home != "" && need.Home != h.ID {
		return "its data is on " + need.Home
	}
	traits := Traits{ID: h.ID, OS: h.OS, Arch: h.Arch, Labels: h.Labels}
	if reason := Unsuited(need.Constraints, &traits); reason != "" {
		return reason
	}
	if h.Barred != "" {
		return h.Barred
	}
	if unknown := without(need.Features, h.Features); len(unknown) > 0 {
		return "its agent doesn't know " + strings.Join(unknown, ", ") + "; upgrade it"
	}
	if need.OnePerHost && h.Siblings > 0 {
		return "has one already"
	}
	if need.MostPerHost > 0 && h.Siblings >= need.MostPerHost {
		return fmt.Sprintf("has %d already, and no host may have more", h.Siblings)
	}
	for _, g := range need.Generic {
		if why := lacks(g, h); why != "" {
			return why
		}
	}
	if short := h.UsedMemory + need.Memory - h.Memory; need.Memory > 0 && short > 0 {
		return fmt.Sprintf("%d MiB of memory short", (short+(1<<20)-1)>>20)
	}
	if short := h.UsedCPUs + need.CPUs - h.CPUs; need.CPUs > 0 && short > 1e-9 {
		return fmt.Sprintf("%.2f CPUs short", short)
	}
	for _, port := range need.FixedPorts {
		if by, taken := h.Taken[port]; taken {
			return fmt.Sprintf("port %s is used by %s", port, by)
		}
	}
	return ""
}

// Traits are what constraints ask of a host.
type Traits struct {
	ID       string
	OS, Arch string
	Labels   map[string]string
}

// TraitsOf are those of a host by its facts.
func TraitsOf(id string, facts *fleet.HostFacts) Traits {
	return Traits{ID: id, OS: facts.OS, Arch: facts.Architecture, Labels: facts.Labels}
}

// of is what a constraint compares.
func (t *Traits) of(label string) (value string, has bool) {
	switch label {
	case fleet.LabelHostname:
		return t.ID, true
	case fleet.LabelOS:
		return t.OS, t.OS != ""
	case fleet.LabelArchitecture:
		return t.Arch, t.Arch != ""
	}
	value, has = t.Labels[label]
	return value, has
}

// lacks says why the host can't give an instance a resource; empty: it can.
func lacks(g fleet.GenericResource, h *Host) string {
	switch all, used := h.Generic[g.Kind], h.UsedGeneric[g.Kind]; {
	case all == 0:
		return "has no " + g.Kind
	case all < g.Count:
		return fmt.Sprintf("has %d %s, and %d are needed", all, g.Kind, g.Count)
	case all-used < g.Count:
		return fmt.Sprintf("%d of its %d %s are taken, and %d are needed", used, all, g.Kind, g.Count)
	}
	return ""
}

// Unsuited says which constraint the host doesn't meet; empty: it meets all.
func Unsuited(constraints []fleet.Constraint, host *Traits) string {
	for _, c := range constraints {
		value, has := host.of(c.Label)
		if matches := has && value == c.Value; matches != c.Equal {
			if c.Equal {
				return "needs " + c.String()
			}
			return "must not have " + fleet.Constraint{Label: c.Label, Equal: true, Value: c.Value}.String()
		}
	}
	return ""
}

// without has those of names that aren't among known.
func without(names, known []string) (left []string) {
	for _, name := range names {
		if !slices.Contains(known, name) {
			left = append(left, name)
		}
	}
	return left
}
