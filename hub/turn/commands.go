package turn

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// command carries out one order and keeps its answer for a repeat, also when
// nothing had to change: by the time of the repeat it might. A refused order
// changes nothing and isn't kept; nor is a dry run.
func (t *tx) command(index int, c fleet.Command) {
	order := orderSum(c)
	if before := t.results.get(c.ID); before != nil {
		reply := Reply{Result: before.Result, Repeat: true}
		if before.Order != order {
			reply = Reply{Err: fleet.Invalid("Idempotency-Key", "%q named another order before", c.ID).WithHint("use a new key for a new order")}
		}
		t.out.Replies[index] = reply
		return
	}
	result, err := t.order(c)
	if err != nil {
		t.out.Replies[index] = Reply{Err: err}
		return
	}
	if !result.Changed {
		result.Revision = t.s.Revision
	} else {
		result.Revision = t.rev
	}
	if !c.DryRun && c.ID != "" {
		t.results.put(c.ID, &Answered{Order: order, Result: result, At: t.now})
	}
	t.out.Replies[index] = Reply{Result: result}
}

// orderSum tells orders apart, whoever gives them.
func orderSum(c fleet.Command) string {
	c.Actor = ""
	if c.Sealed != nil { // sealed twice it isn't the same
		c.Sealed = &fleet.SealedValue{Fingerprint: c.Sealed.Fingerprint, Size: c.Sealed.Size}
	}
	for name, value := range c.Secrets {
		c.Secrets = with(c.Secrets, name, fleet.SealedValue{Fingerprint: value.Fingerprint, Size: value.Size})
	}
	return wire.Sum(mustJSON(c))
}

func (t *tx) order(c fleet.Command) (fleet.Result, error) {
	switch c.Do {
	case fleet.DoApply:
		return t.apply(c)
	case fleet.DoScale:
		return t.scale(c)
	case fleet.DoRestart:
		return t.restart(c)
	case fleet.DoStop:
		return t.stop(c)
	case fleet.DoStart:
		return t.start(c)
	case fleet.DoRemove:
		return t.remove(c)
	case fleet.DoFreeze, fleet.DoUnfreeze:
		return t.freeze(c, c.Do == fleet.DoFreeze)
	case fleet.DoHostDrain:
		return t.availability(c, fleet.AvailabilityDrain)
	case fleet.DoHostActivate:
		return t.availability(c, fleet.AvailabilityActive)
	case fleet.DoHostMaintenance:
		return t.maintain(c)
	case fleet.DoHostFail:
		return t.failHost(c)
	case fleet.DoHostRemove:
		return t.removeHost(c)
	case fleet.DoHostJoin:
		return t.joinHost(c)
	case fleet.DoRebalance:
		return t.rebalance(c)
	case fleet.DoRollback:
		return t.rollback(c)
	case fleet.DoPromote, fleet.DoPause, fleet.DoResume, fleet.DoAbort, fleet.DoRetry:
		return t.steer(c)
	case fleet.DoBalancerForget:
		return t.forgetBalancer(c)
	case fleet.DoSecretSet:
		return t.setSecret(c)
	case fleet.DoSecretRemove:
		return t.removeSecret(c)
	case fleet.DoRegistrySet:
		return t.setRegistry(c)
	case fleet.DoRegistryRemove:
		return t.removeRegistry(c)
	default:
		return fleet.Result{}, fleet.Invalid("do", "%q is not a command", c.Do)
	}
}

// serviceFor finds a command's service and checks the generation expected.
func (t *tx) serviceFor(c fleet.Command) (*Service, error) {
	s := t.services.get(c.Service)
	if s == nil {
		return nil, fleet.NotFound("there is no service %s", c.Service).WithHint("muster services lists them")
	}
	if c.IfMatch != 0 && c.IfMatch != s.Generation {
		return nil, stale("service "+c.Service.String(), c.IfMatch, s.Generation)
	}
	return s, nil
}

func (t *tx) hostFor(c fleet.Command) (*Host, error) {
	h := t.hosts.get(c.Host)
	if h == nil {
		return nil, fleet.NotFound("there is no host %q", c.Host).WithHint("muster hosts lists them")
	}
	if c.IfMatch != 0 && c.IfMatch != h.Generation {
		return nil, stale("host "+c.Host, c.IfMatch, h.Generation)
	}
	return h, nil
}

func stale(what string, expected, is uint64) error {
	return (&fleet.Error{
		Code:    fleet.CodePrecondition,
		Message: fmt.Sprintf("%s is at generation %d, not %d: somebody changed it", what, is, expected),
	}).WithHint("read it again and decide anew")
}

func (t *tx) scale(c fleet.Command) (fleet.Result, error) {
	s, err := t.serviceFor(c)
	switch {
	case err != nil:
		return fleet.Result{}, err
	case s.Asked.Mode == fleet.ModeGlobal:
		return fleet.Result{}, fleet.Conflict("count", "%s is global: it runs once on every eligible host", c.Service)
	case s.Asked.Mode == fleet.ModeJob:
		return fleet.Result{}, fleet.Conflict("count", "%s is a one-shot service: one instance of it runs to its end", c.Service)
	case s.Removing:
		return fleet.Result{}, fleet.Conflict("service", "%s is being removed", c.Service)
	case c.Count < 0 || c.Count > t.s.opts.MaxCount:
		return fleet.Result{}, fleet.Invalid("count", "%d is not between 0 and %d", c.Count, t.s.opts.MaxCount)
	case s.Asked.Count == c.Count:
		return fleet.Result{Message: fmt.Sprintf("%s has %d already", c.Service, c.Count)}, nil
	}
	message := fmt.Sprintf("%s scaled from %d to %d", c.Service, s.Asked.Count, c.Count) + whileStopped(s)
	s = t.services.edit(c.Service)
	s.Asked.Count = c.Count
	t.changed(s, fleet.EventServiceScaled, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) restart(c fleet.Command) (fleet.Result, error) {
	if c.Host != "" {
		return t.restartOn(c)
	}
	s, err := t.serviceFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	if s.Removing {
		return fleet.Result{}, fleet.Conflict("service", "%s is being removed", c.Service)
	}
	if err := notStopped(s); err != nil {
		return fleet.Result{}, err
	}
	message := fmt.Sprintf("%s restarts, one instance after another", c.Service)
	s = t.services.edit(c.Service)
	s.Restarted, s.RestartedOn = t.rev, nil
	t.changed(s, fleet.EventServiceRestart, c, message)
	t.touchDependents(c.Service, true)
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) remove(c fleet.Command) (fleet.Result, error) {
	s, err := t.serviceFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	if s.Removing {
		return fleet.Result{Message: fmt.Sprintf("%s is being removed already", c.Service)}, nil
	}
	t.removeService(c.Service, c)
	message := fmt.Sprintf("%s is being removed; its volumes stay", c.Service)
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) removeService(key fleet.ServiceKey, c fleet.Command) {
	s := t.services.edit(key)
	s.Removing = true
	t.touchOrder(s)
	s.Frozen, s.Stopped = false, false
	t.namesChanged(key.Project)
	t.dirtyMembers(key) // what was to be prepared isn't any more
	t.changed(s, fleet.EventServiceRemoved, c, fmt.Sprintf("%s is being removed; its volumes stay", key))
}

// changed records an order's effect on a service: generation, cause, event.
func (t *tx) changed(s *Service, eventType string, c fleet.Command, message string) {
	key := s.Asked.Key
	s.Generation = t.rev
	s.Held = nil
	s.Cause = t.event(eventType, subjectService(key), c.ID, fleet.EventData{Message: message, Service: &key, Host: c.Host, Version: s.Version})
	t.events[len(t.events)-1].Actor = c.Actor
	t.touch(key)
}

func (t *tx) freeze(c fleet.Command, frozen bool) (fleet.Result, error) {
	if c.Host != "" {
		return t.freezeHost(c, frozen)
	}
	s, err := t.serviceFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	word, eventType := "frozen: it is observed, nothing of it is changed", fleet.EventServiceFrozen
	if !frozen {
		word, eventType = "no longer frozen", fleet.EventServiceUnfrozen
	}
	message := fmt.Sprintf("%s is %s", c.Service, word)
	if s.Frozen == frozen {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	s = t.services.edit(c.Service)
	s.Frozen = frozen
	if r := s.Rollout; r != nil && !r.Over() && !frozen { // what nobody looked at doesn't count
		next := *r
		next.Since, next.Served = t.now, time.Time{}
		s.Rollout = &next
	}
	t.changed(s, eventType, c, message)
	for _, in := range t.members(c.Service) {
		t.dirtyHost[in.Host] = true
	}
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) freezeHost(c fleet.Command, frozen bool) (fleet.Result, error) {
	h, err := t.hostFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	word, eventType := "frozen: it is observed, nothing on it is changed", fleet.EventHostFrozen
	if !frozen {
		word, eventType = "no longer frozen", fleet.EventHostUnfrozen
	}
	message := fmt.Sprintf("%s is %s", c.Host, word)
	if err := h.goneFor("frozen"); err != nil {
		return fleet.Result{}, err
	}
	if h.Frozen == frozen {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	h = t.hosts.edit(c.Host)
	h.Frozen = frozen
	t.hostChanged(h, eventType, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) availability(c fleet.Command, availability string) (fleet.Result, error) {
	h, err := t.hostFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	word, eventType := "being drained: its instances move away", fleet.EventHostDrain
	if availability == fleet.AvailabilityActive {
		word, eventType = "active: it takes instances", fleet.EventHostActivated
	}
	message := fmt.Sprintf("%s is %s", c.Host, word)
	if err := h.goneFor("activated"); err != nil && availability == fleet.AvailabilityActive {
		return fleet.Result{}, err
	}
	ends := h.Maintenance != nil && availability == fleet.AvailabilityActive
	if h.Availability == availability && !ends {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	h = t.hosts.edit(c.Host)
	h.Availability = availability
	if m := h.Maintenance; m != nil { // then it is what this order says, too
		next := *m
		next.Then = availability
		h.Maintenance = &next
	}
	t.comeBack(h)
	t.hostChanged(h, eventType, c, message)
	if ends {
		t.endMaintenance(h)
	}
	return fleet.Result{Changed: true, Message: message}, nil
}

// failHost takes a person's word that a lost host is dead.
func (t *tx) failHost(c fleet.Command) (fleet.Result, error) {
	h, err := t.hostFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	if l := t.live.get(c.Host); l != nil && l.State == fleet.HostUp {
		return fleet.Result{}, fleet.Conflict("host", "%s is up: its agent is heard", c.Host).
			WithHint("to empty a host that works: muster host drain %s", c.Host)
	}
	message := fmt.Sprintf("%s is declared dead: what it ran is placed elsewhere, except what has its data there", c.Host)
	if c.DataLost {
		message = fmt.Sprintf("%s is declared dead with its data: all that it ran is placed elsewhere, with empty volumes", c.Host)
	}
	if h.Failed && !c.DataLost {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	if c.DataLost {
		t.giveUpData(c.Host)
	}
	h = t.hosts.edit(c.Host)
	h.Failed, h.Vacant = true, !t.hasData(c.Host)
	t.hostChanged(h, fleet.EventHostFailed, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) hostChanged(h *Host, eventType string, c fleet.Command, message string) {
	h.Generation = t.rev
	h.Cause = t.event(eventType, subjectHost(h.ID), c.ID, fleet.EventData{Message: message, Host: h.ID})
	t.events[len(t.events)-1].Actor = c.Actor
	t.dirtyHost[h.ID] = true
	t.touchAll()
}

// forgetBalancer takes a person's word that a balancer is gone for good.
func (t *tx) forgetBalancer(c fleet.Command) (fleet.Result, error) {
	b := t.balancers.get(c.Balancer)
	if b == nil || b.Forgotten != "" {
		return fleet.Result{}, fleet.NotFound("there is no balancer %s", c.Balancer).WithHint("muster lb lists them")
	}
	if t.driven(c.Balancer) && t.balancerUp(c.Balancer) {
		return fleet.Result{}, fleet.Conflict("balancer", "%s works: its agent is heard and drives it", c.Balancer).
			WithHint("to take it out of the fleet, stop its agent or start that without the balancer, and then forget it")
	}
	b = t.balancers.edit(c.Balancer)
	b.Forgotten = "none"
	if l := t.live.get(c.Balancer.Host); l != nil && l.Actual != nil {
		b.Forgotten = l.Actual.AgentStart
	}
	message := fmt.Sprintf("%s is forgotten: nothing waits for it any more", c.Balancer)
	t.event(fleet.EventBalancerForgotten, subjectBalancer(c.Balancer), c.ID, fleet.EventData{Message: message, Host: c.Balancer.Host})
	t.events[len(t.events)-1].Actor = c.Actor
	t.touchAll()
	t.namesOfAll()
	return fleet.Result{Changed: true, Message: message}, nil
}
