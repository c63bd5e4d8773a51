package turn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/rollout"
	"github.com/musterhq/muster/shared/fleet"
)

// due are the one-shot services that a rollout runs where it is, and what that
// point is called.
func due(r *fleet.Rollout, fetched bool) (at string, names []string) {
	switch {
	case r.State == fleet.RolloutPreparing && fetched:
		return "before", r.Spec.Before
	case r.State == fleet.RolloutProgressing && !r.Served.IsZero():
		return fmt.Sprintf("step %d", r.Step+1), r.Spec.Each
	case r.State == fleet.RolloutPromoting && !r.Served.IsZero():
		return "after", r.Spec.After
	}
	return "", nil
}

// jobs says how far the one-shot services are that a rollout runs where it is: one
// after another, as they are listed.
func (t *tx) jobs(s *Service, r *fleet.Rollout, fetched bool) rollout.Verdict {
	at, names := due(r, fetched)
	for _, name := range names {
		key := s.beside(name)
		job := findJob(r, at, name)
		if fleet.IsHook(name) {
			if job == nil {
				return t.hook(s, r, at, name)
			}
			continue
		}
		if job == nil {
			return rollout.Verdict{Result: rollout.Inconclusive, Why: fmt.Sprintf("%s is to run (%s)", key, at)}
		}
		if verdict := t.ended(key, job); verdict.Result != rollout.Passes {
			return verdict
		}
	}
	return rollout.Verdict{Result: rollout.Passes}
}

func findJob(r *fleet.Rollout, at, name string) *fleet.RolloutJob {
	for i := range r.Jobs {
		if job := &r.Jobs[i]; job.At == at && job.Service == name {
			return job
		}
	}
	return nil
}

// ended says how an instance of a one-shot service has ended.
func (t *tx) ended(key fleet.ServiceKey, job *fleet.RolloutJob) rollout.Verdict {
	if job.Done {
		return rollout.Verdict{Result: rollout.Passes}
	}
	in := t.instances.get(job.Instance)
	if in == nil || in.Goal != fleet.GoalRun {
		return rollout.Verdict{Result: rollout.Fails, Why: fmt.Sprintf("%s (%s) was ended before its time", key, job.At)}
	}
	l := t.live.get(in.Host)
	if l == nil || l.instances[in.ID] == nil {
		return rollout.Verdict{Result: rollout.Inconclusive, Why: fmt.Sprintf("%s runs as %s on %s (%s)", key, in.ID, in.Host, job.At)}
	}
	switch a := l.instances[in.ID]; {
	case a.Phase != fleet.PhaseExited:
		why := fmt.Sprintf("%s runs as %s on %s (%s)", key, in.ID, in.Host, job.At)
		if a.Reason != "" {
			why += ": " + a.Reason
		}
		return rollout.Verdict{Result: rollout.Inconclusive, Why: why}
	case a.ExitCode != 0:
		return rollout.Verdict{Result: rollout.Fails, Why: fmt.Sprintf("%s (%s) ended with code %d as %s on %s", key, job.At, a.ExitCode, in.ID, in.Host)}
	}
	return rollout.Verdict{Result: rollout.Passes}
}

// runJobs begins the next one-shot service that a rollout is to run where it is,
// notes those that have ended well, and lets their instances go.
func (t *tx) runJobs(s *Service) (reasons []string) {
	r := s.Rollout
	if r == nil || r.Over() {
		return nil
	}
	fetching, failing := t.unprepared(s)
	at, names := due(r, fetching == "" && failing == "")
	for _, name := range names {
		key := s.beside(name)
		job := findJob(r, at, name)
		switch {
		case job == nil && fleet.IsHook(name):
			return nil
		case job == nil:
			return t.runJob(s, key, at)
		case job.Done:
			continue
		case t.ended(key, job).Result != rollout.Passes:
			return nil
		}
		next := *s.Rollout
		next.Jobs = append([]fleet.RolloutJob(nil), r.Jobs...)
		findJob(&next, at, name).Done = true
		s = t.services.edit(s.Asked.Key)
		s.Rollout = &next
		r = s.Rollout
		t.touch(key)
		t.touch(s.Asked.Key)
	}
	return nil
}

// runJob places the one instance of a one-shot service.
func (t *tx) runJob(s *Service, key fleet.ServiceKey, at string) []string {
	job := t.services.get(key)
	if job == nil || job.Removing || job.Asked.Mode != fleet.ModeJob {
		return []string{fmt.Sprintf(heldPrefix+"%s is to run (%s), and there is no such one-shot service", key, at)}
	}
	asked := *job
	asked.Cause = s.Cause
	if why := t.placeAll(&asked, []int{1}, ""); why != "" {
		return []string{fmt.Sprintf(heldPrefix+"%s can't run (%s): %s", key, at, strings.TrimPrefix(why, heldPrefix))}
	}
	made := t.newborn[key]
	next := *s.Rollout
	next.Jobs = append(stillOfUse(&next, at), fleet.RolloutJob{At: at, Service: key.Name, Instance: made[len(made)-1]})
	t.services.edit(s.Asked.Key).Rollout = &next
	t.touch(s.Asked.Key)
	return nil
}

// stillOfUse are the jobs that a rollout has run, without those of steps that are long
// over: a rolling may have thousands of batches.
func stillOfUse(r *fleet.Rollout, at string) []fleet.RolloutJob {
	keep := []string{at, "before", fmt.Sprintf("step %d", r.Step), fmt.Sprintf("step %d", r.Step+1)}
	return slices.DeleteFunc(slices.Clone(r.Jobs), func(past fleet.RolloutJob) bool { return past.Done && !slices.Contains(keep, past.At) })
}

// waitedFor: a rollout waits for the end of a one-shot service's instance.
func (t *tx) waitedFor(in *Instance) bool {
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if key.Project != in.Service.Project {
			continue
		}
		if r := t.services.get(key).Rollout; r != nil && !r.Over() && r.State != fleet.RolloutRollingBack {
			for _, job := range r.Jobs {
				if job.Instance == in.ID && !job.Done {
					return true
				}
			}
		}
	}
	return false
}

// working is how many instances a one-shot service has now: as many as are wanted.
func (t *tx) working(s *Service) (n int) {
	for _, in := range t.members(s.Asked.Key) {
		if in.Goal == fleet.GoalRun && !t.completed(s, in) {
			n++
		}
	}
	return n
}
