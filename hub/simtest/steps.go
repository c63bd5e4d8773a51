package simtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// trial is what the checker knows of one rollout.
type trial struct {
	answered uint64              // requests that its new version had answered when it began
	urged    bool                // a person let it go on, or began it anew
	judges   map[int][]time.Time // when each judge let it go on
}

// trial finds a rollout's; a restored store may have one that the checker forgot.
func (k *checker) trial(service fleet.ServiceKey, id uint64) *trial {
	of := rolloutOf{service, id}
	if k.trials[of] == nil {
		k.trials[of] = &trial{judges: map[int][]time.Time{}}
	}
	return k.trials[of]
}

// steered are the services about whose versions a person's order was carried out.
func steered(events []fleet.Event) map[fleet.ServiceKey]bool {
	out, set := map[fleet.ServiceKey]bool{}, map[string]bool{}
	for i := range events {
		e := &events[i]
		byOrder := strings.HasPrefix(e.Cause, orderPrefix)
		set[e.ID] = byOrder && e.Type == fleet.EventSecretSet // what uses the secret follows
		if e.Data.Service != nil && (byOrder || set[e.Cause]) && slices.Contains([]string{fleet.EventRolloutOrdered, fleet.EventServiceApplied}, e.Type) {
			out[*e.Data.Service] = true
		}
	}
	return out
}

// rolled holds how a service's rollout went on in one turn against what it may do
// by itself. told: a person's order was part of that.
func (k *checker) rolled(before, now *turn.Service, told bool) {
	a, b, key := before.Rollout, now.Rollout, now.Asked.Key
	if before.Removing {
		a = nil
	}
	now = asWanted(before, now)
	switch {
	case now.Removing:
	case b == nil && a != nil:
		k.sim.violate("%s has forgotten its rollout", key)
	case b == nil:
	case a == nil || a.ID != b.ID:
		k.begins(a, now, told)
	default:
		if told && (b.Promoted > a.Promoted || a.State == fleet.RolloutPaused && b.State != a.State || b.Forgiven != a.Forgiven) {
			k.trial(key, b.ID).urged = true
		}
		k.goesOn(a, now, told)
		k.movesUp(a, now, told)
		k.comesAfter(a, now)
	}
	if now.Version != before.Version && now.Generation != k.revision {
		k.sim.violate("%s goes from version %d to %d at generation %d, which isn't a new one", key, before.Version, now.Version, now.Generation)
	}
}

// begins: by a person's order, with a new name; where another was under way, from
// where that came from.
func (k *checker) begins(a *fleet.Rollout, now *turn.Service, told bool) {
	b, key := now.Rollout, now.Asked.Key
	switch {
	case !told:
		k.sim.violate("a rollout of %s begins, and nobody asked for it", key)
	case a != nil && b.ID <= a.ID:
		k.sim.violate("rollout %d of %s comes after %d", b.ID, key, a.ID)
	case a != nil && !a.Over() && a.From != b.From:
		k.sim.violate("%s has a rollout from version %d beside the one from %d", key, b.From, a.From)
	}
	k.trial(key, b.ID).answered = k.requests[versionOf{key, b.To}]
}

// goesOn: what a rollout is stays; what is over stays so, what goes back gets
// there and is not taken back itself, and what waits for a person waits.
func (k *checker) goesOn(a *fleet.Rollout, now *turn.Service, told bool) {
	b, key := now.Rollout, now.Asked.Key
	back := a.State == fleet.RolloutRollingBack || a.State == fleet.RolloutRollbackPaused
	switch {
	case a.From != b.From || a.To != b.To || a.Back != b.Back || !reflect.DeepEqual(a.Spec, b.Spec):
		k.sim.violate("the rollout of %s from version %d to %d becomes another: %d to %d", key, a.From, a.To, b.From, b.To)
	case a.Over() && a.State != b.State:
		k.sim.violate("the rollout of %s is %s, and then %s", key, a.State, b.State)
	case back && !slices.Contains([]string{fleet.RolloutRollingBack, fleet.RolloutRollbackPaused, fleet.RolloutRolledBack}, b.State):
		k.sim.violate("the rollout of %s goes back, and then is %s", key, b.State)
	case told:
	case a.Back && !back && b.State == fleet.RolloutRollingBack:
		k.sim.violate("the rollout of %s to the older version %d is itself taken back: %s", key, b.To, b.Why)
	case a.State == fleet.RolloutPaused && a.PauseReason != fleet.PauseBalancer && a.PauseReason != fleet.PauseAgent && b.State != fleet.RolloutPaused:
		k.sim.violate("the rollout of %s waits for a person (%s), and is %s without one", key, a.PauseReason, b.State)
	case b.Promoted != a.Promoted:
		k.sim.violate("the rollout of %s is promoted, and nobody did it", key)
	case k.calm && !back && b.State == fleet.RolloutRollingBack, k.calm && b.PauseReason == fleet.PauseFailure && a.PauseReason != b.PauseReason:
		k.takenBack(now)
	}
	k.jobs(a, now)
}

// jobs: one that ran isn't forgotten, and counts when its program has ended well;
// what waits for jobs does so until all of them have.
func (k *checker) jobs(a *fleet.Rollout, now *turn.Service) {
	b, key := now.Rollout, now.Asked.Key
	done := map[string]bool{}
	for i, job := range b.Jobs {
		if fleet.IsHook(job.Service) {
			done[job.At+" "+job.Service] = job.Done
			continue
		}
		if code, ended := k.endings[job.Instance]; job.Done && (i >= len(a.Jobs) || !a.Jobs[i].Done) && (!ended || code != 0) {
			k.sim.violate("%s (%s) of %s counts as done, and its program ended: %t, with %d", job.Service, job.At, key, ended, code)
		}
		done[job.At+" "+job.Service] = job.Done
	}
	waits := map[string][]string{}
	switch {
	case a.State == fleet.RolloutPreparing && b.State == fleet.RolloutProgressing:
		waits["before"] = b.Spec.Before
	case a.State == fleet.RolloutProgressing && b.Step > a.Step && wanted(now) > 0:
		waits[fmt.Sprintf("step %d", b.Step)] = b.Spec.Each
	case a.State == fleet.RolloutPromoting && b.State == fleet.RolloutSucceeded:
		waits["after"] = b.Spec.After
	}
	for at, names := range waits {
		for _, name := range names {
			if !done[at+" "+name] {
				k.sim.violate("the rollout of %s is %s and hasn't waited for %s (%s)", key, b.State, name, at)
			}
		}
	}
	for _, job := range a.Jobs {
		kept := slices.ContainsFunc(b.Jobs, func(j fleet.RolloutJob) bool { return j == job })
		if over := strings.HasPrefix(job.At, "step ") && job.At != fmt.Sprintf("step %d", b.Step+1); job.Done && !kept && !over {
			k.sim.violate("the rollout of %s forgets %s (%s)", key, job.Service, job.At)
		}
	}
}

// movesUp: a step follows the one before, when that was seen to do well.
func (k *checker) movesUp(a *fleet.Rollout, now *turn.Service, told bool) {
	b, key := now.Rollout, now.Asked.Key
	over := b.State == fleet.RolloutSucceeded && a.State != b.State
	forward := b.State == fleet.RolloutProgressing || b.State == fleet.RolloutPromoting
	switch {
	case b.Step < a.Step || b.Step > a.Step+1 && wanted(now) > 0:
		k.sim.violate("the rollout of %s goes from step %d to %d", key, a.Step+1, b.Step+1)
	case b.Weight < a.Weight && forward:
		k.sim.violate("the rollout of %s takes %d %% back to %d %%", key, a.Weight, b.Weight)
	case b.Beside() && b.State == fleet.RolloutProgressing && b.Weight > b.Spec.Steps[b.Step].Weight:
		k.sim.violate("the rollout of %s gives %d %% at a step of %d %%", key, b.Weight, b.Spec.Steps[b.Step].Weight)
	case b.Step > a.Step && !told && b.Beside() && wanted(now) > 0:
		k.stepped(a, now)
	case b.Step > a.Step && !told && b.Spec.Manual && b.Promoted == 0:
		k.sim.violate("the rollout of %s goes on from its first batch, which a person is to promote", key)
	case over && !told:
		k.succeeded(a, now)
	}
}

// stepped looks at a step of a canary, or blue-green's switch, that nobody ordered.
func (k *checker) stepped(a *fleet.Rollout, now *turn.Service) {
	b, key, step := now.Rollout, now.Asked.Key, a.Spec.Steps[a.Step]
	if a.Promoted > a.Step {
		return
	}
	held := b.Since.Sub(a.Served)
	switch {
	case a.Spec.Manual || step.Manual:
		k.sim.violate("the rollout of %s goes on from step %d, which a person is to promote", key, a.Step+1)
	case step.Hold > 0 && (a.Served.IsZero() || held < step.Hold.D() || k.sim.now.Sub(k.hubStart) < step.Hold.D()):
		k.sim.violate("the rollout of %s goes on from step %d, held for %s of %s by a hub that runs for %s", key, a.Step+1, held, step.Hold, k.sim.now.Sub(k.hubStart))
	default:
		k.proven(a, now, a.Weight > 0)
	}
}

// succeeded looks at an end that is said to be a good one.
func (k *checker) succeeded(a *fleet.Rollout, now *turn.Service) {
	b, key, monitor := now.Rollout, now.Asked.Key, a.Spec.Monitor.D()
	watched := b.Ended.Sub(a.Served)
	if monitor > 0 && (a.State != fleet.RolloutPromoting || a.Served.IsZero() || watched < monitor || k.sim.now.Sub(k.hubStart) < monitor) {
		k.sim.violate("the rollout of %s succeeds from %s, watched for %s of %s by a hub that runs for %s", key, a.State, watched, monitor, k.sim.now.Sub(k.hubStart))
	}
	ready := 0
	for _, in := range k.instances {
		if in.Service == key && in.Version == b.To && (in.Goal == fleet.GoalRun || in.GoalAt.Equal(b.Ended)) && (in.Ready || k.restored > 0) && k.ready[in.ID] > 0 {
			ready++
		}
	}
	if now.Asked.Mode == fleet.ModeReplicated && ready < wanted(now) {
		k.sim.violate("the rollout of %s succeeds with %d of %d that were ever ready", key, ready, wanted(now))
	}
	if b.Promoted <= b.Step {
		k.proven(a, now, monitor > 0)
	}
	if k.calm && !k.trial(key, b.ID).urged && k.bad(now) {
		k.sim.violate("the rollout of %s to %s, a bad one, succeeds", key, now.Versions[b.To].Spec.Image)
	}
}

// proven: without enough requests, and without every judge's word, nothing is.
func (k *checker) proven(a *fleet.Rollout, now *turn.Service, counts bool) {
	key, verify, t := now.Asked.Key, a.Spec.Verify, k.trial(now.Asked.Key, a.ID)
	n := k.requests[versionOf{key, a.To}] - t.answered
	if counts && !*verify.Off && now.Asked.Balancing != nil && wanted(now) > 0 && n < uint64(verify.Requests) {
		k.sim.violate("the rollout of %s goes on after %d requests of at least %d", key, n, verify.Requests)
	}
	since := a.Served.Add(-k.sim.hub.base)
	if a.Served.IsZero() {
		since = k.sim.now // it served in this very turn
	}
	for i := range verify.Judges {
		if !slices.ContainsFunc(t.judges[i], func(at time.Time) bool { return !at.Before(since) }) {
			k.sim.violate("the rollout of %s goes on, and judge %d hasn't agreed", key, i+1)
		}
	}
}

// bad: the new version can be seen to be so, whatever else happens.
func (k *checker) bad(s *turn.Service) bool {
	spec, r := s.Versions[s.Rollout.To].Spec, s.Rollout
	i := k.sim.image(spec.Image)
	judged := !*r.Spec.Verify.Off && s.Asked.Balancing != nil && r.Spec.Monitor.D() > 0
	for _, in := range k.instances { // unless the old one does no better
		if old := k.sim.image(s.Versions[in.Version].Spec.Image); in.Service == s.Asked.Key && in.Version != r.To && (old.errs || old.fails) {
			judged = false
		}
	}
	return wanted(s) > 0 && (i.neverReady && spec.Probe != nil || i.exits && r.Spec.Monitor.D() > surelyExits || i.fails && judged)
}

// surelyExits is when a program that exits soon after its start was surely seen to.
const surelyExits = 2500 * time.Millisecond

// takenBack: where nothing breaks, only a bad version is.
func (k *checker) takenBack(now *turn.Service) {
	r := now.Rollout
	i := k.sim.image(now.Versions[r.To].Spec.Image)
	if slices.ContainsFunc(now.Asked.DependsOn, func(d fleet.Dependency) bool { return d.Restart }) || len(r.Spec.Before)+len(r.Spec.Each)+len(r.Spec.After)+len(r.Spec.Verify.Judges) > 0 || i.errs || i.fails || i.exits || i.neverReady || i.missing {
		return
	}
	k.sim.violate("%s goes back from %s, a good one: %s", now.Asked.Key, now.Versions[r.To].Spec.Image, r.Why)
}

type versionOf struct {
	service fleet.ServiceKey
	version int
}

type rolloutOf struct {
	service fleet.ServiceKey
	id      uint64
}

// served counts an answer.
func (k *checker) served(s *server) {
	k.requests[versionOf{s.Service, k.instances[s.Instance].Version}]++
}

// agreed: a judge lets a rollout go on.
func (k *checker) agreed(ask turn.JudgeAsk) {
	t := k.trial(ask.Service, ask.Rollout.ID)
	t.judges[ask.Index] = append(t.judges[ask.Index], k.sim.now)
}
