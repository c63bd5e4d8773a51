package turn

import (
	"fmt"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Rebalance is a person's order to move instances of a service to hosts that suit
// them better, as far as it isn't done. One is moved at a time: what comes for it
// has to serve, then it leaves by the drain barrier.
type Rebalance struct {
	Moves []Moving `json:"moves"` // those still to do; the first may be under way
	Done  int      `json:"done,omitempty"`
	// Generation is the service's by the order. Another: somebody has changed the
	// service since, and nothing is moved any more.
	Generation uint64 `json:"generation"`
}

// Moving is one instance that is to move.
type Moving struct {
	Instance string `json:"instance"`
	To       string `json:"to"`
	// Order numbers the moves of one order, which are worth it one after another.
	Order int    `json:"order"`
	New   string `json:"new,omitempty"` // the instance that has come for it
}

// moves reports whether an instance has to leave its host for the one that came.
func (r *Rebalance) moves(instance string) bool {
	return r != nil && len(r.Moves) > 0 && r.Moves[0].New != "" && r.Moves[0].Instance == instance
}

// rebalance begins to move what is placed worse than it could be. Nothing is ever
// moved for that without such an order.
func (t *tx) rebalance(c fleet.Command) (fleet.Result, error) {
	keys, err := t.scope(c)
	if err != nil {
		return fleet.Result{}, err
	}
	moves, left, stay := t.betterPlaces(keys)
	plan := &fleet.Plan{Services: []fleet.ServiceChange{}, Moves: moves, Left: left, Warnings: few(stay)}
	plan.Sum = wire.Sum(mustJSON(moves))
	if c.Plan != "" && c.Plan != plan.Sum {
		return fleet.Result{}, (&fleet.Error{
			Code: fleet.CodePrecondition, Message: "the fleet has changed: other instances would be moved than was agreed to",
		}).WithHint("look again what would be moved: muster rebalance --dry-run")
	}
	message := "nothing would be placed better elsewhere: nothing is moved"
	if left > 0 {
		message = "there is too much to look through at once: name a project or a service"
	}
	if len(moves) > 0 {
		message = instancesText(len(moves)) + " moved, one after another"
	}
	if len(moves) == 0 || c.DryRun {
		return fleet.Result{Message: message, Plan: plan}, nil
	}
	of := map[fleet.ServiceKey][]Moving{}
	for i, m := range moves {
		of[m.Service] = append(of[m.Service], Moving{Instance: m.Instance, To: m.To, Order: i})
	}
	for _, key := range sorted(of, fleet.ServiceKey.Less) {
		s := t.services.edit(key)
		t.changed(s, fleet.EventRebalanceBegun, c, fmt.Sprintf("%s is rebalanced: %s moved", key, instancesText(len(of[key]))))
		s.Rebalance = &Rebalance{Moves: of[key], Generation: s.Generation}
	}
	return fleet.Result{Changed: true, Message: message, Plan: plan}, nil
}

func instancesText(n int) string {
	if n == 1 {
		return "1 instance is"
	}
	return fmt.Sprintf("%d instances are", n)
}

// scope are the services that a rebalance is about.
func (t *tx) scope(c fleet.Command) ([]fleet.ServiceKey, error) {
	if !c.Service.IsZero() {
		_, err := t.serviceFor(c)
		return []fleet.ServiceKey{c.Service}, err
	}
	keys := t.services.keys(fleet.ServiceKey.Less)
	if c.Project == "" {
		return keys, nil
	}
	keys = slices.DeleteFunc(keys, func(key fleet.ServiceKey) bool { return key.Project != c.Project })
	if len(keys) == 0 {
		return nil, fleet.NotFound("there is no service in project %q", c.Project).WithHint("muster services lists them")
	}
	return keys, nil
}

// move brings a service's rebalance a step further, and says what it waits for.
func (t *tx) move(s *Service) (reasons []string) {
	for s.Rebalance != nil {
		r := s.Rebalance
		if why := t.givesUpMoving(s); why != "" {
			t.endRebalance(s, why)
			return nil
		}
		m := r.Moves[0]
		old := t.instances.get(m.Instance)
		switch {
		case old == nil || old.Lost || m.New != "" && old.Goal == fleet.GoalStop && !t.isUp(old.Host):
			s = t.nextMove(s, m.New != "")
			continue
		case m.New != "":
			return []string{fmt.Sprintf("it is rebalanced: instance %s on %s moves to %s, %d more to move", m.Instance, old.Host, m.To, len(r.Moves)-1)}
		}
		if why := t.waitsToMove(s); why != "" {
			return []string{fmt.Sprintf("it is rebalanced: %d to move, the next when %s", len(r.Moves), why)}
		}
		if !t.stillBetter(s, old, m.To) || t.placeAll(s, []int{t.freeSlot(s)}, m.To) != "" {
			s = t.nextMove(s, false)
			continue
		}
		born := t.newborn[s.Asked.Key]
		next := Rebalance{Moves: slices.Clone(r.Moves), Done: r.Done, Generation: r.Generation}
		next.Moves[0].New = born[len(born)-1]
		s = t.services.edit(s.Asked.Key)
		s.Rebalance = &next
	}
	return nil
}

// nextMove goes on to the next instance.
func (t *tx) nextMove(s *Service, done bool) *Service {
	s = t.services.edit(s.Asked.Key)
	m := s.Rebalance.Moves[0]
	next := Rebalance{Moves: slices.Clone(s.Rebalance.Moves[1:]), Done: s.Rebalance.Done, Generation: s.Rebalance.Generation}
	if done {
		next.Done++
		for i := range next.Moves { // what came moves on where the plan says so
			if next.Moves[i].Instance == m.Instance {
				next.Moves[i].Instance = m.New
			}
		}
	}
	s.Rebalance = &next
	if len(next.Moves) == 0 {
		t.endRebalance(s, "")
	}
	return t.services.get(s.Asked.Key)
}

// endRebalance forgets what is still to move. What has come for an instance that
// stays is one too many then, and leaves.
func (t *tx) endRebalance(s *Service, why string) {
	key, r := s.Asked.Key, s.Rebalance
	message := fmt.Sprintf("%s is rebalanced: %d moved", key, r.Done)
	if why != "" {
		message = fmt.Sprintf("%s isn't rebalanced any further, as %s: %d moved, %d not", key, why, r.Done, len(r.Moves))
	}
	t.services.edit(key).Rebalance = nil
	t.event(fleet.EventRebalanceEnded, subjectService(key), s.Cause, fleet.EventData{Message: message, Service: &key})
}

// givesUpMoving says why nothing of a service is moved any more; empty: it goes on.
func (t *tx) givesUpMoving(s *Service) string {
	r := s.Rebalance
	switch {
	case len(r.Moves) == 0:
		return "nothing is left to move"
	case r.Generation != s.Generation || s.Asked.Mode != fleet.ModeReplicated:
		return "somebody has changed it"
	case s.Rollout != nil && !s.Rollout.Over():
		return "it goes to another version"
	case r.Moves[0].New == "":
		return ""
	}
	m := r.Moves[0]
	switch in := t.instances.get(m.New); {
	case in == nil || in.Goal != fleet.GoalRun:
		return fmt.Sprintf("instance %s, which came to %s, is gone", m.New, m.To)
	case !in.Ready && t.now.Sub(in.BornAt) > t.s.opts.ReadyAfter:
		return fmt.Sprintf("instance %s, which came to %s, isn't ready after %s", m.New, m.To, t.s.opts.ReadyAfter)
	case !in.Ready && !t.isUp(in.Host):
		return fmt.Sprintf("%s isn't up, and what came there isn't ready", m.To)
	}
	return ""
}

// waitsToMove says what has to have happened before the next instance is moved: one
// in the whole fleet is, in the order in which they were told, and none of a service
// that lacks some. Services that can't go on hold no other up.
func (t *tx) waitsToMove(s *Service) string {
	if why := t.unsettledWhy(s); why != "" {
		return why
	}
	next, other := s.Rebalance.Moves[0], ""
	t.services.each(func(key fleet.ServiceKey, o *Service) {
		r := o.Rebalance
		if key == s.Asked.Key || r == nil || len(r.Moves) == 0 || o.Frozen || o.Removing || len(o.Held) > 0 {
			return
		}
		before := r.Generation == s.Rebalance.Generation && r.Moves[0].Order < next.Order && t.unsettledWhy(o) == ""
		if r.Moves[0].New != "" || before {
			other = fmt.Sprintf("instance %s of %s has moved", r.Moves[0].Instance, key)
		}
	})
	return other
}

// unsettledWhy says what has to happen until all of a service runs and serves; empty:
// it does.
func (t *tx) unsettledWhy(s *Service) string {
	running := 0
	for _, in := range t.members(s.Asked.Key) {
		switch {
		case t.kept(s, in) || in.Lost:
		case in.Goal != fleet.GoalRun:
			return fmt.Sprintf("instance %s on %s has left", in.ID, in.Host)
		case t.outdated(s, in):
			return fmt.Sprintf("instance %s on %s is replaced", in.ID, in.Host)
		case !t.serving(s, in):
			return fmt.Sprintf("instance %s on %s serves", in.ID, in.Host)
		default:
			running++
		}
	}
	if want := t.count(s); running != want {
		return fmt.Sprintf("it has %d instances, not %d", want, running)
	}
	return ""
}

func (t *tx) freeSlot(s *Service) int {
	used := map[int]bool{}
	for _, in := range t.members(s.Asked.Key) {
		used[in.Slot] = used[in.Slot] || in.Goal == fleet.GoalRun
	}
	slot := 1
	for used[slot] {
		slot++
	}
	return slot
}
