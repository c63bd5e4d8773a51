package brain

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// preparation is what is known of the image of a version that this host is to
// have before anything of it runs. Nothing of it is kept on disk: a look is cheap.
type preparation struct {
	version string // its key
	service fleet.ServiceKey
	pin     string // the hub's word for the image; empty: it knows none
	named   string // the image by the version's spec
	policy  string // of the version's spec, for pulling

	op        *Op    // outstanding
	image     Image  // as last found; zero: it isn't there, as far as anybody looked
	lacks     string // the image that the engine didn't have when it was asked
	pinFailed bool

	failures int
	nextTry  time.Time // the next attempt, or the next look at what is there
	wait     time.Duration
	problem  string // why the last attempt failed
}

// usePreparations takes up what the accepted desired state wants prepared. What
// is known of the others goes once nothing of theirs is under way.
func (s *State) usePreparations() {
	wanted := map[string]bool{}
	for _, version := range s.accepted.desired.Prepare {
		wanted[version] = true
		service, _, _ := fleet.ParseVersionKey(version) // readDesired parsed it
		p := s.preparations[version]
		if p == nil {
			p = &preparation{}
			s.preparations[version] = p
		}
		spec := s.accepted.desired.Versions[version]
		pin := s.accepted.desired.Pins[version]
		if asked := cmp.Or(pin, spec.Image); asked != cmp.Or(p.pin, p.named) && asked != p.image.Digest && asked != p.image.ID {
			*p = preparation{op: p.op} // another image than was found
		}
		p.version, p.service, p.pin, p.named, p.policy = version, service, pin, spec.Image, spec.PullPolicy
	}
	maps.DeleteFunc(s.preparations, func(version string, p *preparation) bool { return !wanted[version] && p.op == nil })
}

// prepare returns the operations that are to begin now for versions of which
// nothing may run here yet: those that failed least first, in the room that
// instances leave.
func (s *State) prepare(room *room, now time.Time) (ops []Op) {
	versions := slices.Clone(s.accepted.desired.Prepare)
	slices.SortStableFunc(versions, func(a, b string) int {
		return cmp.Compare(s.preparations[a].failures, s.preparations[b].failures)
	})
	for _, version := range versions {
		p := s.preparations[version]
		if p.op != nil || p.nextTry.After(now) || s.unpreparable(p) != "" {
			continue
		}
		image := s.imageOf(p)
		op := pull(p.policy, image, p.lacks == image, p.pin != "" || p.image.ID != "")
		op.Version, op.Cause = version, "version "+version
		op.Registry, op.Login = s.login(image)
		if _, fits := room.has(op, p.service); !fits {
			continue
		}
		room.take(op, p.service)
		p.op = op
		ops = append(ops, *op)
	}
	return ops
}

// imageOf names the image of a preparation as imageFor does that of an instance.
func (s *State) imageOf(p *preparation) string {
	pin := cmp.Or(p.pin, p.image.Digest, p.image.ID)
	if pin == "" || p.pinFailed && isImageID(pin) {
		return p.named
	}
	return pin
}

// unpreparable says why nothing is done for a preparation now; empty: something
// is.
func (s *State) unpreparable(p *preparation) string {
	_, known := s.accepted.desired.Versions[p.version]
	switch {
	case s.refused[p.version] != "":
		return s.refused[p.version]
	case !known:
		return "the desired state lacks its version"
	case s.frozen(p.service):
		return "frozen: its image isn't fetched"
	case !s.listed || !s.engine.Up:
		return "the container engine doesn't answer"
	}
	return ""
}

// settlePreparation takes in how an operation for a version ended.
func (s *State) settlePreparation(r *Result, now time.Time) {
	p := s.preparations[r.Version]
	if p == nil || p.op == nil {
		return
	}
	op := p.op
	p.op = nil
	if !slices.Contains(s.accepted.desired.Prepare, p.version) {
		delete(s.preparations, p.version)
	}
	if r.Problem == "" {
		s.pulled(op, r, now)
		return
	}
	p.lacks = "" // somebody may have brought it meanwhile
	p.failures++
	p.wait = s.delay(p.failures)
	if r.Permanent {
		p.wait = max(p.wait, s.config.Timing.PermanentRetry)
	}
	p.problem, p.nextTry = verbs[OpPull]+" failed: "+r.Problem, now.Add(p.wait)
}

// looked takes in whether the image of a preparation is there. One that is, is
// looked at again after a while: somebody may remove it.
func (p *preparation) looked(image string, r *Result, again time.Time) {
	if r.Missing {
		p.image, p.lacks, p.nextTry = Image{}, image, time.Time{}
		p.pinFailed = p.pinFailed || isImageID(image)
		return
	}
	p.image, p.lacks, p.nextTry = r.Image, "", again
	p.failures, p.problem = 0, ""
}

// preparedImages is what is told of the preparations.
func (s *State) preparedImages(now time.Time) map[string]fleet.Prepared {
	if s.accepted == nil || len(s.accepted.desired.Prepare) == 0 {
		return nil
	}
	told := map[string]fleet.Prepared{}
	for _, version := range s.accepted.desired.Prepare {
		p := s.preparations[version]
		prepared := fleet.Prepared{Image: p.image.ID, Digest: p.image.Digest}
		if prepared.Image == "" {
			prepared.Problem = fleet.Clip(cmp.Or(s.unpreparable(p), p.trouble(now)), fleet.MaxReason)
		}
		told[version] = prepared
	}
	return told
}

// trouble says why the image isn't there although it was tried.
func (p *preparation) trouble(now time.Time) string {
	if p.problem != "" && p.nextTry.After(now) {
		return p.problem + "; next try in " + words(p.wait)
	}
	return p.problem
}
