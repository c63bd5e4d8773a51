package brain

import (
	"cmp"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// fetch is an image that somebody asked for. It is tried once: who asked is told
// what came of it.
type fetch struct {
	order PullAsked
	op    *Op // outstanding; nil: it waits for room
}

// fetchPrefix makes of a question's id what stands in an Op for the version: no
// version has such a key.
const fetchPrefix = "question "

// takePull begins to fetch an image that somebody asked for.
func (s *State) takePull(in PullAsked) {
	why := s.uncleanable()
	if why == "" && len(s.fetches) >= maxFetches {
		why = "it is fetching other images: ask again when it has"
	}
	if why != "" {
		s.answers = append(s.answers, fleet.Answer{ID: in.ID, Problem: why})
		return
	}
	if s.fetches == nil {
		s.fetches = map[string]*fetch{}
	}
	if s.fetches[in.ID] == nil {
		s.fetches[in.ID] = &fetch{order: in}
	}
}

// maxFetches bounds the images that people may ask for at the same time.
const maxFetches = 16

// fetch returns the operations that are to begin now for images that people asked
// for, in the room that instances and preparations leave.
func (s *State) fetch() (ops []Op) {
	if len(s.fetches) == 0 {
		return nil
	}
	room := s.room()
	for _, id := range sortedKeys(s.fetches) {
		f := s.fetches[id]
		op := &Op{Kind: OpPull, Version: fetchPrefix + id, Image: f.order.Image, Cause: fleet.Clip(cmp.Or(f.order.Cause, "question "+id), maxCause)}
		if f.op != nil || s.accepted == nil {
			continue
		}
		op.Registry, op.Login = s.login(op.Image)
		if _, fits := room.has(op, f.order.Service); !fits {
			continue
		}
		room.take(op, f.order.Service)
		f.op = op
		ops = append(ops, *op)
	}
	return ops
}

// settleFetch takes in how the fetching of such an image ended.
func (s *State) settleFetch(id string, r *Result, now time.Time) {
	f := s.fetches[id]
	if f == nil || f.op == nil {
		return
	}
	delete(s.fetches, id)
	answer := fleet.Answer{ID: id, OK: r.Problem == "", At: now}
	if r.Problem != "" {
		answer.Problem = fleet.Clip(r.Problem, fleet.MaxReason)
	} else {
		s.pulled(f.op, r, now)
		what := "was there already"
		if r.Fetched {
			what = "was fetched"
		}
		answer.Output = f.order.Image + " " + what + ": " + cmp.Or(r.Image.Digest, r.Image.ID)
	}
	s.answers = append(s.answers, answer)
}
