package simtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// beginnings notes which services a person doesn't let wait.
func (k *checker) beginnings(s *turn.Service, events []fleet.Event) {
	key := s.Asked.Key
	for i := range events {
		if e := &events[i]; e.Type == fleet.EventServiceStarted && e.Data.Service != nil && *e.Data.Service == key {
			k.began[key] = true
		}
	}
}

// inOrder holds the first instance of a service against what it is to come after:
// by what the hub has committed of its dependencies, and by what they really did.
func (k *checker) inOrder(in *turn.Instance) {
	s, known := k.services[in.Service]
	if !known || k.adopted[in.Cause] || k.restored > 0 {
		k.began[in.Service] = true
	}
	if k.began[in.Service] {
		return
	}
	k.began[in.Service] = s.Asked.Mode != fleet.ModeJob // which waits each time
	for _, d := range s.Asked.DependsOn {
		if why := k.unmet(d); why != "" && !d.Optional {
			k.sim.violate("%s comes before %s is %s: %s", in, d.Service, d.Condition, why)
		}
	}
}

// unmet says why a dependency doesn't meet its condition; empty: it may.
func (k *checker) unmet(d fleet.Dependency) string {
	key := fleet.ServiceKey{Project: project, Name: d.Service}
	s, known := k.services[key]
	if !known || s.Removing {
		return "there is no such service"
	}
	if d.Condition == fleet.ConditionCompleted {
		if !k.completed[versionOf{key, s.Version}] {
			return fmt.Sprintf("no run of version %d has ended well", s.Version)
		}
		return ""
	}
	if s.Asked.Mode == fleet.ModeJob {
		return ""
	}
	there := 0
	for id, in := range k.instances {
		if in.Service != key || in.Goal != fleet.GoalRun {
			continue
		}
		if d.Condition == fleet.ConditionHealthy && in.Ready && k.ready[id] > 0 || d.Condition == fleet.ConditionStarted && k.everRan[id] {
			there++
		}
	}
	if there < wanted(&s) {
		return fmt.Sprintf("%d of %d instances are", there, wanted(&s))
	}
	return ""
}

// ranTo notes how a program has ended.
func (k *checker) ranTo(instance string, code int) {
	k.endings[instance] = code
	if in, known := k.instances[instance]; known && code == 0 {
		k.completed[versionOf{in.Service, in.Version}] = true
	}
}

// comesAfter: nothing moves in a rollout while one of a dependency with restart is
// under way, nor before a one-shot service's newest version has run.
func (k *checker) comesAfter(a *fleet.Rollout, now *turn.Service) {
	b := now.Rollout
	if a.State != fleet.RolloutPreparing || b.State != fleet.RolloutProgressing || b.Back || k.restored > 0 {
		return
	}
	for _, d := range now.Asked.DependsOn {
		on, known := k.services[fleet.ServiceKey{Project: project, Name: d.Service}]
		switch r := on.Rollout; {
		case !known || on.Removing || d.Optional:
		case d.Condition == fleet.ConditionCompleted:
			if why := k.unmet(d); why != "" {
				k.sim.violate("the rollout of %s goes on before %s has run: %s", now.Asked.Key, d.Service, why)
			}
		case d.Restart && r != nil && !r.Over():
			k.sim.violate("the rollout of %s goes on while that of %s is %s", now.Asked.Key, d.Service, r.State)
		}
	}
}

// arrange has some services come after others that are in the file already, and some
// after a one-shot service.
func (c *chaos) arrange() {
	d := c.chance("order")
	for i, w := range c.wishes {
		for _, on := range c.wishes[:i] {
			if d.IntN(4) > 0 || on.hopeless || len(w.DependsOn) > 1 {
				continue
			}
			dependency := fleet.Dependency{Service: on.Key.Name, Condition: fleet.ConditionStarted, Restart: d.IntN(3) == 0}
			if d.IntN(2) == 0 {
				dependency.Condition = fleet.ConditionHealthy
			}
			w.DependsOn = append(w.DependsOn, dependency)
		}
	}
	if d.IntN(3) > 0 {
		return
	}
	w := &wish{Service: Web("once", 0, "once:1")}
	w.Mode, w.Balancing, w.Spec.Publish, w.Spec.Probe = fleet.ModeJob, nil, nil, nil
	w.Spec.Restart = fleet.Restart{Policy: []string{fleet.RestartNo, fleet.RestartOnFailure}[d.IntN(2)]}
	w.DependsOn = []fleet.Dependency{{Service: c.wishes[0].Key.Name, Condition: fleet.ConditionHealthy}}
	for _, later := range c.wishes[1:] {
		if d.IntN(2) == 0 {
			later.DependsOn = append(later.DependsOn, fleet.Dependency{Service: "once", Condition: fleet.ConditionCompleted, Restart: d.IntN(3) == 0})
		}
		byName(later.DependsOn)
	}
	c.wishes = append(c.wishes, w)
}

func byName(on []fleet.Dependency) {
	slices.SortFunc(on, func(a, b fleet.Dependency) int { return strings.Compare(a.Service, b.Service) })
}

// ordered is a service as the file has it, without those that the file leaves out.
func (c *chaos) ordered(w *wish) fleet.Service {
	s := w.written()
	s.DependsOn = slices.DeleteFunc(s.DependsOn, func(d fleet.Dependency) bool {
		on := c.wished(fleet.ServiceKey{Project: project, Name: d.Service})
		return on == nil || on.absent
	})
	return s
}

// rerun has one-shot services run again whose last run has failed.
func (c *chaos) rerun() {
	for _, w := range c.wishes {
		if run := c.checker.services[w.Key].Run; run.Over() && !run.Completed() {
			c.order(fleet.Command{Do: fleet.DoRestart, Service: w.Key})
		}
	}
}

// waitsFor: a service waits for one of those, or for one that does.
func (c *chaos) waitsFor(v fleet.ServiceView, those map[fleet.ServiceKey]bool) bool {
	for _, w := range v.WaitsFor {
		on, known := c.hub.state.View(c.hub.now()).Service(w.Service)
		if those[w.Service] || known && c.waitsFor(on, those) {
			return true
		}
	}
	return false
}
