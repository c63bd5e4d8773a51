package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// A wait looks at the fleet when the hub says that something changed, at the
// most every lookPause, and every pollEvery in any case.
const (
	pollEvery = 500 * time.Millisecond
	lookPause = 50 * time.Millisecond
)

// heldFor is how long a held service may stay as it is before the wait for it
// ends: what holds it goes away by itself sometimes, like a host's silence.
const heldFor = 10 * time.Second

// A line of progress names so many reasons. What moves is said no more often
// than that; what has arrived, or can't move, at once.
const (
	mostReasons = 2
	sayEvery    = time.Second
)

// progress is how far a goal is.
type progress struct {
	done  bool
	stuck bool   // it won't get there by itself
	ended error  // it will never get there, which ends the wait
	held  bool   // nor this, unless something changes soon
	text  string // "3/5 ready"
	why   []string
	hint  string
}

// goal is something to wait for.
type goal struct {
	name string
	look func(ctx context.Context, hub *client.Client) (progress, error)
}

// order is one whose outcome is waited for. Zero: of any.
type order struct {
	version  int    // that the service is to have at least
	revision uint64 // of the order: a rollout that began with it decides, too
}

// serviceConverged waits until a service runs as asked for.
func serviceConverged(key fleet.ServiceKey, o order) goal {
	return goal{name: key.String(), look: func(ctx context.Context, hub *client.Client) (progress, error) {
		view, err := hub.Service(ctx, key)
		if err != nil {
			return progress{}, err
		}
		p := progress{
			done:  (view.State == fleet.ServiceConverged || view.State == fleet.ServiceCompleted || view.State == fleet.ServiceStopped) && view.Version >= o.version,
			stuck: view.State == fleet.ServiceFrozen,
			held:  view.State == fleet.ServiceHeld,
			text:  fmt.Sprintf("%d/%d ready, %s", view.Ready, view.Desired, view.State),
			why:   withoutState(view),
			hint:  "see muster service " + key.String(),
		}
		if r := view.Rollout; r != nil {
			p.heed(r, key, o)
		}
		return p, nil
	}}
}

// heed has a rollout count for a wait: one that is under way is told, and how the
// one ends that the order began decides.
func (p *progress) heed(r *fleet.Rollout, key fleet.ServiceKey, o order) {
	if !r.Over() {
		p.text += ", " + rolloutBrief(r)
	}
	if o.revision == 0 {
		return
	}
	p.done = p.done && r.Over()
	if r.ID >= o.revision {
		_, p.ended = outcome(r, key)
	}
	if r.State == fleet.RolloutPaused && r.PauseReason == fleet.PauseManual {
		p.stuck, p.hint = true, waysOut(r, key)[0]
	}
}

// withoutState are the reasons for a state, without the word for the state
// itself, which is said before them.
func withoutState(view fleet.ServiceView) []string {
	var reasons []string
	for _, why := range view.Reasons {
		reasons = append(reasons, strings.TrimPrefix(why, view.State+": "))
	}
	return reasons
}

// serviceGone waits until nothing is left of a service.
func serviceGone(key fleet.ServiceKey) goal {
	return goal{name: key.String(), look: func(ctx context.Context, hub *client.Client) (progress, error) {
		view, err := hub.Service(ctx, key)
		if fleet.CodeOf(err) == fleet.CodeNotFound {
			return progress{done: true, text: "gone"}, nil
		}
		if err != nil {
			return progress{}, err
		}
		return progress{
			text: fmt.Sprintf("%s left, %s", instances(len(view.Instances)), view.State),
			why:  view.Reasons, hint: "see muster service " + key.String(),
		}, nil
	}}
}

// hostEmpty waits until a host has no instances left.
func hostEmpty(id string) goal {
	return goal{name: id, look: func(ctx context.Context, hub *client.Client) (progress, error) {
		view, err := hub.Host(ctx, id)
		if err != nil {
			return progress{}, err
		}
		return progress{
			done:  view.Instances == 0,
			stuck: view.Instances == len(view.Reasons),
			why:   view.Reasons,
			text:  fmt.Sprintf("%s left", instances(view.Instances)),
			hint:  "see muster host " + id,
		}, nil
	}}
}

// wait looks until every goal is reached, saying what changes. A hub that
// can't be reached meanwhile is waited for too.
func (s *session) wait(ctx context.Context, goals ...goal) error {
	timeout := s.flags.Duration("timeout")
	deadline := time.Now().Add(timeout)
	said := make([]saying, len(goals))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := s.changes(ctx)
	for {
		open, err := s.look(ctx, goals, said)
		if err == nil && len(open) == 0 {
			return nil
		}
		for _, o := range open {
			if o.ended != nil {
				return o.ended
			}
		}
		if err != nil && (!errors.Is(err, client.ErrUnreachable) || time.Now().After(deadline)) {
			return err
		}
		if time.Now().After(deadline) {
			return late(fmt.Sprintf("not there after %s", timeout), open)
		}
		if stuck := onlyStuck(open); stuck != nil {
			return late("it can't get there by itself", stuck)
		}
		if err := pause(ctx, changed); err != nil {
			s.note("stopped waiting; the change goes on")
			return err
		}
	}
}

// changes says when the fleet has changed. It ends with ctx, and is silent
// when the hub can't be watched.
func (s *session) changes(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	go func() {
		say := func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
		_ = s.hub.Watch(ctx, 0, client.Watcher{
			Change: func(fleet.Change) error { say(); return nil },
			Reset:  func(uint64) error { say(); return nil },
		})
	}()
	return changed
}

func pause(ctx context.Context, changed <-chan struct{}) error {
	poll := time.NewTimer(pollEvery)
	defer poll.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-poll.C:
		return nil
	case <-changed:
	}
	short := time.NewTimer(lookPause)
	defer short.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-short.C:
		return nil
	}
}

// someOf joins the first reasons, and says how many there are besides.
func someOf(reasons []string) string {
	if len(reasons) <= mostReasons {
		return strings.Join(reasons, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(reasons[:mostReasons], "; "), len(reasons)-mostReasons)
}

// saying is what was last said of a goal.
type saying struct {
	line  string
	at    time.Time // when it was said
	whole string    // with every reason
	since time.Time // when that was new
}

// openGoal is a goal that is not reached yet.
type openGoal struct {
	goal
	progress
	still time.Duration // nothing of it has changed for so long
}

func (s *session) look(ctx context.Context, goals []goal, said []saying) ([]openGoal, error) {
	var open []openGoal
	for i, g := range goals {
		p, err := g.look(ctx, s.hub)
		if err != nil {
			return nil, err
		}
		line := g.name + "  " + p.text
		if len(p.why) > 0 && !p.done {
			line += ": " + someOf(p.why)
		}
		last := &said[i]
		if line != last.line && (p.done || p.held || p.stuck || p.ended != nil || time.Since(last.at) >= sayEvery) {
			s.note("%s", line)
			last.line, last.at = line, time.Now()
		}
		if whole := p.text + strings.Join(p.why, "\n"); whole != last.whole || last.since.IsZero() {
			last.whole, last.since = whole, time.Now()
		}
		if !p.done {
			open = append(open, openGoal{g, p, time.Since(last.since)})
		}
	}
	return open, nil
}

// onlyStuck returns the open goals when none of them can move by itself.
func onlyStuck(open []openGoal) []openGoal {
	for _, o := range open {
		if !o.stuck && !(o.held && o.still >= heldFor) {
			return nil
		}
	}
	return open
}

func late(what string, open []openGoal) error {
	var parts []string
	for _, o := range open {
		part := o.name + ": " + o.text
		if len(o.why) > 0 {
			part += " (" + strings.Join(o.why, "; ") + ")"
		}
		parts = append(parts, part)
	}
	return &notConverged{reason: what + ": " + strings.Join(parts, ", "), advice: open[0].hint}
}
