package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// stop has a service run nowhere until it is started, or nowhere on one host.
func (t *tx) stop(c fleet.Command) (fleet.Result, error) {
	s, err := t.stoppable(c)
	if err != nil {
		return fleet.Result{}, err
	}
	if c.Host != "" {
		return t.stopOn(s, c)
	}
	message := fmt.Sprintf("%s is stopped: its instances leave, and none comes before it is started", c.Service)
	if s.Stopped {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	if r := s.Rollout; r != nil && !r.Over() && r.State != fleet.RolloutRollingBack && r.State != fleet.RolloutRollbackPaused {
		return fleet.Result{}, fleet.Conflict("service", "%s has a rollout under way: %s", c.Service, rollout.Describe(r)).
			WithHint("end it first: muster rollout %s abort, or promote --fully", c.Service)
	}
	s = t.services.edit(c.Service)
	s.Stopped = true
	t.changed(s, fleet.EventServiceStopped, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

// stoppable finds a service that can be stopped and started, and its host.
func (t *tx) stoppable(c fleet.Command) (*Service, error) {
	s, err := t.serviceFor(c)
	switch {
	case err != nil:
		return nil, err
	case s.Removing:
		return nil, fleet.Conflict("service", "%s is being removed", c.Service)
	case s.Asked.Mode == fleet.ModeJob:
		return nil, fleet.Conflict("service", "%s is a one-shot service: it runs to its end", c.Service)
	case c.Host != "" && t.hosts.get(c.Host) == nil:
		return nil, fleet.NotFound("there is no host %q", c.Host).WithHint("muster hosts lists them")
	}
	return s, nil
}

func (t *tx) stopOn(s *Service, c fleet.Command) (fleet.Result, error) {
	message := fmt.Sprintf("%s is stopped on %s: its instances there leave, and none comes there before it is started there", c.Service, c.Host)
	if s.stoppedOn(c.Host) {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	s = t.services.edit(c.Service)
	s.StoppedOn = append(slices.Clone(s.StoppedOn), c.Host)
	slices.Sort(s.StoppedOn)
	t.changed(s, fleet.EventServiceStopped, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

// start takes back a stop: that of the whole service, or that on one host.
func (t *tx) start(c fleet.Command) (fleet.Result, error) {
	if s := t.services.get(c.Service); s != nil && len(s.Waiting) > 0 && c.Host == "" && !s.Stopped && !s.Removing {
		return t.startAnyway(c)
	}
	s, err := t.stoppable(c)
	if err != nil {
		return fleet.Result{}, err
	}
	if c.Host != "" {
		return t.startOn(s, c)
	}
	message := fmt.Sprintf("%s is started", c.Service)
	if !s.Stopped {
		return fleet.Result{Message: message + t.stillStopped(s) + " (as before)"}, nil
	}
	s = t.services.edit(c.Service)
	s.Stopped = false
	message += ": " + countText(&s.Asked) + t.stillStopped(s)
	t.changed(s, fleet.EventServiceStarted, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

func (t *tx) startOn(s *Service, c fleet.Command) (fleet.Result, error) {
	message := fmt.Sprintf("%s may run on %s", c.Service, c.Host)
	if s.Stopped {
		message += fmt.Sprintf("; it is stopped everywhere (muster start %s)", c.Service)
	}
	if !s.stoppedOn(c.Host) {
		return fleet.Result{Message: message + " (as before)"}, nil
	}
	s = t.services.edit(c.Service)
	s.StoppedOn = slices.DeleteFunc(slices.Clone(s.StoppedOn), func(host string) bool { return host == c.Host })
	if len(s.StoppedOn) == 0 {
		s.StoppedOn = nil
	}
	t.changed(s, fleet.EventServiceStarted, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

// forgetOrdersOn: what was ordered of services on a host goes with it.
func (t *tx) forgetOrdersOn(host string) {
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		s := t.services.get(key)
		if _, restarted := s.RestartedOn[host]; !restarted && !s.stoppedOn(host) {
			continue
		}
		s = t.services.edit(key)
		s.RestartedOn = without(s.RestartedOn, host)
		s.StoppedOn = slices.DeleteFunc(slices.Clone(s.StoppedOn), func(other string) bool { return other == host })
		if len(s.StoppedOn) == 0 {
			s.StoppedOn = nil
		}
	}
}

// stillStopped names the hosts where a service stays stopped; empty: it does on
// none.
func (t *tx) stillStopped(s *Service) string {
	if len(s.StoppedOn) == 0 {
		return ""
	}
	return "; it stays stopped on " + strings.Join(s.StoppedOn, ", ")
}

// restartOn replaces the instances of a service that are on one host.
func (t *tx) restartOn(c fleet.Command) (fleet.Result, error) {
	if _, err := t.stoppable(c); err != nil {
		return fleet.Result{}, err
	}
	here := func(in *Instance) bool { return in.Host == c.Host && in.Goal == fleet.GoalRun }
	if !slices.ContainsFunc(t.members(c.Service), here) {
		return fleet.Result{}, fleet.Conflict("service", "%s has no instance on %s", c.Service, c.Host).
			WithHint("muster service %s shows where it runs", c.Service)
	}
	message := fmt.Sprintf("%s restarts on %s, one instance after another", c.Service, c.Host)
	s := t.services.edit(c.Service)
	s.RestartedOn = with(s.RestartedOn, c.Host, t.rev)
	for host, at := range s.RestartedOn {
		if at <= s.Restarted {
			s.RestartedOn = without(s.RestartedOn, host)
		}
	}
	t.changed(s, fleet.EventServiceRestart, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}

// notStopped refuses what makes no sense while nothing runs.
func notStopped(s *Service) error {
	if s.Stopped {
		return fleet.Conflict("service", "%s is stopped: it has no instances", s.Asked.Key).WithHint("muster start %s", s.Asked.Key)
	}
	return nil
}

// whileStopped is added to what an order comes to that takes effect with the
// next start.
func whileStopped(s *Service) string {
	if s.Stopped {
		return fmt.Sprintf("; it stays stopped (muster start %s)", s.Asked.Key)
	}
	return ""
}
