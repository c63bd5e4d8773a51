package turn

import (
	"fmt"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// rollback asks for an older version again: the one named, else the one that the
// last rollout came from, else the one kept before.
func (t *tx) rollback(c fleet.Command) (fleet.Result, error) {
	s, err := t.serviceFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	to := c.Version
	if to == 0 {
		to = before(s)
	}
	switch _, kept := s.Versions[to]; {
	case s.Removing:
		return fleet.Result{}, fleet.Conflict("service", "%s is being removed", c.Service)
	case s.Asked.Mode == fleet.ModeJob:
		return fleet.Result{}, fleet.Conflict("service", "%s is a one-shot service: what it has done stays done", c.Service).
			WithHint("apply the file of then: that version runs again")
	case to == 0:
		return fleet.Result{}, fleet.Conflict("version", "%s has only version %d", c.Service, s.Version)
	case !kept:
		return fleet.Result{}, fleet.NotFound("version %d of %s isn't kept", to, c.Service).WithHint("muster versions %s lists those that are", c.Service)
	case to == s.Version:
		return fleet.Result{Message: fmt.Sprintf("%s is at version %d already", c.Service, to)}, nil
	}
	if err := t.refuseLost(s, to); err != nil {
		return fleet.Result{}, err
	}
	message := fmt.Sprintf("%s goes back from version %d to %d", c.Service, s.Version, to)
	if s.Rollout != nil && !s.Rollout.Over() && s.Rollout.From == to {
		next, _ := rollout.Abort(*s.Rollout, actor(c), t.now)
		return t.ordered(c, next, message)
	}
	t.revert(c, to, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

// revert begins a rollout to an older version.
func (t *tx) revert(c fleet.Command, to int, message string) {
	s := t.services.edit(c.Service)
	from := s.Version
	t.returnTo(s, to)
	t.changed(s, fleet.EventServiceApplied, c, message)
	t.beginRollout(s, from, true, c)
}

// before is the version to go back to; 0: there is none.
func before(s *Service) (number int) {
	if r := s.Rollout; r != nil && r.To == s.Version {
		if _, kept := s.Versions[r.From]; kept {
			return r.From
		}
	}
	for n := range s.Versions {
		if n < s.Version && n > number {
			number = n
		}
	}
	return number
}

// steer carries out a person's order about a service's rollout.
func (t *tx) steer(c fleet.Command) (fleet.Result, error) {
	s, err := t.serviceFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	r := s.Rollout
	switch {
	case r == nil:
		return fleet.Result{}, fleet.NotFound("%s has never had a rollout", c.Service).WithHint("one begins when a new version of it is applied")
	case c.Rollout != 0 && c.Rollout != r.ID:
		return fleet.Result{}, stale(fmt.Sprintf("the rollout of %s", c.Service), c.Rollout, r.ID)
	case s.Removing:
		return fleet.Result{}, fleet.Conflict("service", "%s is being removed", c.Service)
	}
	if c.Do == fleet.DoRetry {
		if err := t.refuseLost(s, r.To); err != nil {
			return fleet.Result{}, err
		}
	}
	next := *r
	var word string
	switch c.Do {
	case fleet.DoPromote:
		word = "promoted"
		next, err = rollout.Promote(*r, c.Fully, t.now)
	case fleet.DoPause:
		word = "paused"
		next, err = rollout.Pause(*r, actor(c), t.now)
	case fleet.DoResume:
		word = "resumed"
		next, err = rollout.Resume(*r, t.now)
	case fleet.DoAbort:
		word = "aborted"
		next, err = rollout.Abort(*r, actor(c), t.now)
	case fleet.DoRetry:
		word = "retried"
		if r.State == fleet.RolloutRolledBack || r.State == fleet.RolloutRollbackPaused {
			t.retry(c, s)
			return fleet.Result{Changed: true, Message: fmt.Sprintf("%s goes from version %d to %d again", c.Service, r.From, r.To)}, nil
		}
		next, err = rollout.Retry(*r, t.observe(s, r).Restarts, t.now)
		t.hooks.delete(c.Service) // it is asked anew
	}
	if err != nil {
		return fleet.Result{}, err
	}
	return t.ordered(c, next, fmt.Sprintf("the rollout of %s from version %d to %d is %s", c.Service, r.From, r.To, word))
}

// retry begins a rollout anew that was rolled back, or can't be.
func (t *tx) retry(c fleet.Command, s *Service) {
	to, from := s.Rollout.To, s.Version
	s = t.services.edit(c.Service)
	t.returnTo(s, to)
	t.changed(s, fleet.EventServiceApplied, c, fmt.Sprintf("%s goes from version %d to %d again", c.Service, from, to))
	t.beginRollout(s, from, false, c)
}

// ordered keeps what a person's order made of a rollout.
func (t *tx) ordered(c fleet.Command, next fleet.Rollout, message string) (fleet.Result, error) {
	s := t.services.edit(c.Service)
	before := s.Rollout
	if sameRollout(before, &next) {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	s.Rollout = &next
	t.changed(s, fleet.EventRolloutOrdered, c, message)
	t.moved(s, before)
	return fleet.Result{Changed: true, Message: message}, nil
}

func actor(c fleet.Command) string {
	if c.Actor == "" {
		return "an order"
	}
	return c.Actor
}
