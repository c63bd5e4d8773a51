package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// watchRollout writes a line whenever something of the rollout changes, until it
// is over or nothing but a person can help it.
func (s *session) watchRollout(ctx context.Context, key fleet.ServiceKey) error {
	timeout := s.flags.Duration("timeout")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := s.changes(ctx)
	began := time.Now()
	var said string
	var id uint64
	for {
		view, err := s.hub.Rollout(ctx, key)
		switch {
		case errors.Is(err, client.ErrUnreachable) && id != 0:
			if note := err.Error(); note != said {
				s.note("%s; trying again", note)
				said = note
			}
		case err != nil:
			return err
		case id != 0 && view.ID != id:
			return superseded(key, view.To)
		default:
			id = view.ID
			if line := rolloutLine(&view); line != said {
				said = line
				if err := s.sayRollout(&view, line); err != nil {
					return err
				}
			}
			if over, err := outcome(&view.Rollout, key); over {
				return err
			}
		}
		if timeout > 0 && time.Since(began) > timeout {
			return &notConverged{reason: fmt.Sprintf("the rollout of %s is not over after %s", key, timeout), advice: "it goes on; see muster rollout " + key.String()}
		}
		if err := pause(ctx, changed); err != nil {
			return err
		}
	}
}

func (s *session) sayRollout(view *fleet.RolloutView, line string) error {
	if !s.json {
		s.printf("%s  %s\n", time.Now().Format(time.TimeOnly), line)
		return nil
	}
	raw, err := json.Marshal(view)
	if err != nil {
		return err
	}
	s.printf("%s\n", raw)
	return nil
}

// rolloutLine is a rollout in one line. What is counted all the time isn't in it.
func rolloutLine(v *fleet.RolloutView) string {
	r := &v.Rollout
	parts := []string{r.State + reasonOf(r)}
	if step := stepOf(r); step != "" && !r.Over() {
		parts = append(parts, step)
	}
	for _, use := range v.Versions {
		part := fmt.Sprintf("version %d: %s ready", use.Version, ratio(use.Ready, use.Wanted))
		if share := shareOf(v, use); share != "-" {
			part += ", " + share + " %"
		}
		if use.Restarts > 0 {
			part += fmt.Sprintf(", %d restarts", use.Restarts)
		}
		if use.Failed > 0 {
			part += ", requests fail"
		}
		parts = append(parts, part)
	}
	if r.Why != "" && (r.State != fleet.RolloutProgressing && r.State != fleet.RolloutPromoting) {
		parts = append(parts, r.Why)
	}
	return strings.Join(parts, "; ")
}

// outcome says how a rollout has ended, or that it won't by itself: an error
// unless it has succeeded.
func outcome(r *fleet.Rollout, key fleet.ServiceKey) (over bool, err error) {
	what := fmt.Sprintf("the rollout of %s to version %d ", key, r.To)
	switch {
	case r.State == fleet.RolloutSucceeded:
		return true, nil
	case r.State == fleet.RolloutRolledBack:
		return true, &rolloutFailed{
			reason: what + "was taken back: " + dash(r.Why),
			advice: fmt.Sprintf("version %d serves as before; muster versions %s has both", r.From, key),
		}
	case r.State == fleet.RolloutRollbackPaused:
		return true, &rolloutFailed{reason: what + "can't be taken back: " + dash(r.Why), advice: "see muster service " + key.String()}
	case r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseFailure:
		return true, &rolloutFailed{
			reason: what + "failed and is paused: " + dash(r.Why),
			advice: fmt.Sprintf("muster rollout %s abort goes back to version %d, retry tries again", key, r.From),
		}
	}
	return false, nil
}

func superseded(key fleet.ServiceKey, by int) error {
	reason := fmt.Sprintf("the rollout of %s was superseded by a newer one", key)
	if by > 0 {
		reason += fmt.Sprintf(", to version %d", by)
	}
	return &notConverged{reason: reason, advice: "watch that: muster rollout " + key.String() + " watch"}
}
