package brain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// cleaning is one round in which images go that nothing needs. One goes at a
// time, and before each it is asked anew whether it may.
type cleaning struct {
	order *PruneAsked // nil: the disk's
	cause string
	spare int64 // bytes still to be freed; of no account for an order
	began time.Time

	op     *Op // outstanding
	listed bool
	images []StoredImage
	tried  map[string]bool
	gone   []fleet.PrunedImage
	stay   string // why one that might go stays
}

// takeDisk begins a round when the disk is too full, at most once in a while.
func (s *State) takeDisk(in DiskRead, now time.Time) {
	limits := &s.config.Limits
	full := limits.PruneAbove > 0 && in.Size > 0 && in.Used > in.Size/100*int64(limits.PruneAbove)
	if !full || s.cleaning != nil || len(s.cache.Fetched) == 0 || now.Before(s.cleanAfter) || s.uncleanable() != "" {
		return
	}
	s.cleanAfter = now.Add(s.config.Timing.Clean)
	s.cleaning = &cleaning{
		cause: fmt.Sprintf("the disk of the engine is %d %% full", in.Used/(in.Size/100)),
		spare: in.Used - in.Size/100*int64(limits.PruneTo), began: now, tried: map[string]bool{},
	}
}

// maxCause bounds what an event says of its cause, in bytes: the hub refuses more.
const maxCause = 256

// takePrune begins the round that somebody asked for.
func (s *State) takePrune(in PruneAsked, now time.Time) {
	why := s.uncleanable()
	if why == "" && s.cleaning != nil {
		why = "it is removing images already: ask again when it has"
	}
	if why != "" {
		s.answers = append(s.answers, fleet.Answer{ID: in.ID, Problem: why})
		return
	}
	s.cleaning = &cleaning{order: &in, cause: fleet.Clip(cmp.Or(in.Cause, "question "+in.ID), maxCause), began: now, tried: map[string]bool{}}
}

// uncleanable says why no image may go now; empty: some may.
func (s *State) uncleanable() string {
	switch {
	case s.accepted == nil:
		return "it hasn't heard yet which images are needed"
	case s.accepted.desired.Frozen:
		return "the host is frozen: its images are left as they are"
	case !s.listed || !s.engine.Up:
		return "the container engine doesn't answer"
	}
	return ""
}

// clean returns the operation that is to begin now in the round under way.
func (s *State) clean(now time.Time) []Op {
	c := s.cleaning
	if c == nil || c.op != nil {
		return nil
	}
	if why := s.uncleanable(); why != "" {
		c.stay = why
		s.endCleaning(now)
		return nil
	}
	if !c.listed {
		c.op = &Op{Kind: OpImages, Cause: c.cause}
		return []Op{*c.op}
	}
	for _, image := range s.unneeded(c.images) {
		if c.tried[image.ID] || c.order == nil && c.spare <= 0 {
			continue
		}
		c.tried[image.ID] = true
		if c.order != nil && c.order.DryRun {
			c.gone = append(c.gone, pruned(&image))
			continue
		}
		c.op = &Op{Kind: OpRemoveImage, Image: image.ID, Names: image.Names, Cause: c.cause}
		return []Op{*c.op}
	}
	s.endCleaning(now)
	return nil
}

func pruned(image *StoredImage) fleet.PrunedImage {
	p := fleet.PrunedImage{ID: image.ID, Names: image.Names, Bytes: image.Size}
	if len(p.Names) == 0 {
		p.Names = image.Digests
	}
	return p
}

// settleCleaning takes in how an operation of the round ended.
func (s *State) settleCleaning(r *Result, now time.Time) {
	c := s.cleaning
	if c == nil || c.op == nil || c.op.Kind != r.Kind {
		return
	}
	op := c.op
	c.op = nil
	switch {
	case r.Kind == OpImages && r.Problem != "":
		c.stay = r.Problem
		s.endCleaning(now)
	case r.Kind == OpImages:
		c.listed, c.images = true, r.Images
		s.forgetImages(r.Images, c.began, now)
	case r.Problem != "":
		c.stay = r.Problem
	default:
		i := slices.IndexFunc(c.images, func(image StoredImage) bool { return image.ID == op.Image })
		c.gone = append(c.gone, pruned(&c.images[i]))
		c.spare -= c.images[i].Size
		delete(s.cache.Fetched, op.Image)
		s.dirty(now)
	}
}

// endCleaning tells what came of the round.
func (s *State) endCleaning(now time.Time) {
	c := s.cleaning
	s.cleaning = nil
	dry := c.order != nil && c.order.DryRun
	if len(c.gone) > 0 && !dry {
		s.event(now, fleet.Event{
			Type: fleet.EventImagesPruned, Subject: "hosts/" + s.config.Host, Cause: c.cause,
			Data: fleet.EventData{Message: prunedText(c.gone), Host: s.config.Host},
		})
	}
	if c.order != nil {
		s.answers = append(s.answers, fleet.Answer{ID: c.order.ID, OK: c.stay == "", Problem: fleet.Clip(c.stay, fleet.MaxReason), Images: c.gone})
	}
}

func prunedText(gone []fleet.PrunedImage) string {
	var names []string
	var bytes int64
	for i := range gone {
		bytes += gone[i].Bytes
		names = append(names, cmp.Or(strings.Join(gone[i].Names, " "), gone[i].ID))
	}
	what := fmt.Sprintf("%d images", len(gone))
	if len(gone) == 1 {
		what = "an image"
	}
	return fmt.Sprintf("removed %s that nothing needs, of %d bytes: %s", what, bytes, strings.Join(names, ", "))
}
