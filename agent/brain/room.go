package brain

import (
	"cmp"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// byFailures are the assignments, those that failed least first: what fails
// again and again, and slowly, takes nobody else's turn.
func (s *State) byFailures() []*fleet.Assignment {
	all := make([]*fleet.Assignment, 0, len(s.accepted.desired.Instances))
	for i := range s.accepted.desired.Instances {
		all = append(all, &s.accepted.desired.Instances[i])
	}
	slices.SortStableFunc(all, func(a, b *fleet.Assignment) int {
		return cmp.Compare(s.instance(a.ID).failures, s.instance(b.ID).failures)
	})
	return all
}

// room is what may still begin. Slow operations don't hold up the others, and
// images on their way only those that need them.
type room struct {
	left     map[string]int           // operations, by class
	images   map[string]bool          // on their way
	looks    map[string]bool          // images that are looked for
	services map[fleet.ServiceKey]int // images on their way for each
	share    int                      // most of them for one
	ahead    int                      // images on their way for what doesn't run yet
}

func (s *State) room() *room {
	limits := s.config.Limits
	r := &room{
		left:     map[string]int{OpPull: limits.Pulls, OpStop: limits.Stops, "": limits.Others},
		images:   map[string]bool{},
		looks:    map[string]bool{},
		services: map[fleet.ServiceKey]int{},
		share:    max(1, limits.Pulls-1),
	}
	for _, inst := range s.instances {
		if inst.op != nil {
			r.take(inst.op, inst.rec.Service)
		}
	}
	for _, p := range s.preparations {
		if p.op != nil {
			r.take(p.op, p.service)
		}
	}
	for _, f := range s.fetches {
		if f.op != nil {
			r.take(f.op, f.order.Service)
		}
	}
	return r
}

// class says which bound an operation counts against.
func class(op *Op) string {
	if op.Kind == OpStop || op.Kind == OpPull && !op.Local {
		return op.Kind
	}
	return ""
}

// has says whether an operation may begin, and if it is to wait, for what,
// where that may take long. An image is looked for once and comes once, whoever
// needs it. Neither one service nor what is only prepared has all the room for
// images.
func (r *room) has(op *Op, service fleet.ServiceKey) (waits string, fits bool) {
	kind := class(op)
	switch {
	case kind == OpPull && r.images[op.Image]:
		return "it waits for its image, which is being pulled already", false
	case op.Local && r.looks[op.Image]:
		return "", false
	case kind == OpPull && (r.left[kind] <= 0 || r.services[service] >= r.share || op.Version != "" && r.ahead >= r.share):
		return "it waits for other images to be pulled", false
	}
	return "", r.left[kind] > 0
}

func (r *room) take(op *Op, service fleet.ServiceKey) {
	r.left[class(op)]--
	if op.Local {
		r.looks[op.Image] = true
	}
	if class(op) == OpPull {
		r.images[op.Image] = true
		r.services[service]++
		if op.Version != "" {
			r.ahead++
		}
	}
}
