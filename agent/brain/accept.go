package brain

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// accepted is a desired state that was accepted.
type accepted struct {
	raw      []byte // as it came
	envelope wire.Envelope
	desired  fleet.Desired
	specs    map[string]*fleet.Spec // by instance
}

func (a *accepted) observed() fleet.Observed {
	if a == nil {
		return fleet.Observed{}
	}
	e := a.envelope
	return fleet.Observed{Lineage: e.Lineage, Epoch: e.Epoch, Generation: e.Generation, Sum: e.Sum}
}

var instanceID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,62}$`)

// verdict is what becomes of a message.
type verdict int

const (
	verdictStale   verdict = iota // older or the same: nothing to do
	verdictAccept                 // newer
	verdictRefused                // contradictory
)

// judge compares a message with the one that counts (Observed zero: none).
func (s *State) judge(env wire.Envelope, current fleet.Observed) (verdict, string) {
	switch {
	case env.Lineage == "":
		return verdictRefused, "it names no lineage"
	case s.cache.Lineage != "" && env.Lineage != s.cache.Lineage:
		return verdictRefused, fmt.Sprintf("it is of the lineage %s, this agent follows %s", env.Lineage, s.cache.Lineage)
	case current.Lineage != env.Lineage:
		return verdictAccept, ""
	case env.Epoch != current.Epoch:
		if env.Epoch > current.Epoch {
			return verdictAccept, ""
		}
		return verdictStale, ""
	case env.Generation != current.Generation:
		if env.Generation > current.Generation {
			return verdictAccept, ""
		}
		return verdictStale, ""
	case env.Sum != current.Sum:
		return verdictRefused, fmt.Sprintf("generation %d has another content than before", env.Generation)
	}
	return verdictStale, ""
}

func (s *State) takeDesired(payload []byte, now time.Time) {
	if len(payload) == 0 || s.left() {
		return // unknown: keep running; or nothing concerns this host any more
	}
	next, problem := readDesired(s.config.Host, payload)
	if problem != "" {
		s.refuse("desired state", problem, now)
		return
	}
	v, problem := s.judge(next.envelope, s.newestDesired().observed())
	switch v {
	case verdictRefused:
		s.refuse("desired state", problem, now)
	case verdictAccept:
		s.cache.Lineage, s.cache.Desired = next.envelope.Lineage, next.raw
		s.incoming.desired = next
		s.saveNow(now)
	}
}

func readDesired(host string, payload []byte) (*accepted, string) {
	if len(payload) > wire.MaxDesired {
		return nil, fmt.Sprintf("it has %d bytes, more than %d", len(payload), wire.MaxDesired)
	}
	a := &accepted{raw: slices.Clone(payload)}
	env, err := wire.Open(payload, &a.desired)
	if err != nil {
		return nil, err.Error()
	}
	a.envelope = env
	a.envelope.Body = nil
	if a.desired.Host != host {
		return nil, fmt.Sprintf("it is for host %q", a.desired.Host)
	}
	if leave := a.desired.Leave; leave != "" && leave != fleet.LeaveStop && leave != fleet.LeaveKeep {
		return nil, fmt.Sprintf("it tells to leave in a way that this agent doesn't know: %.40q", leave)
	}
	seen := map[string]bool{}
	for _, assignment := range a.desired.Instances {
		if !instanceID.MatchString(assignment.ID) {
			return nil, fmt.Sprintf("%q is not an instance's id", assignment.ID)
		}
		if assignment.Service.IsZero() || assignment.Version < 0 || assignment.Slot < 0 {
			return nil, fmt.Sprintf("it doesn't say what instance %s is of", assignment.ID)
		}
		if seen[assignment.ID] {
			return nil, fmt.Sprintf("it names instance %s twice", assignment.ID)
		}
		seen[assignment.ID] = true
	}
	for _, version := range a.desired.Prepare {
		if _, _, err := fleet.ParseVersionKey(version); err != nil {
			return nil, fmt.Sprintf("it wants %.140q prepared, which is no version", version)
		}
	}
	a.index()
	return a, ""
}

// index finds each instance's spec.
func (a *accepted) index() {
	versions := map[string]*fleet.Spec{}
	for key, spec := range a.desired.Versions {
		versions[key] = &spec
	}
	a.specs = map[string]*fleet.Spec{}
	for i := range a.desired.Instances {
		assignment := &a.desired.Instances[i]
		a.specs[assignment.ID] = versions[fleet.VersionKey(assignment.Service, assignment.Version)]
	}
}

// use makes next the desired state that counts. An instance with another goal
// than before doesn't wait for what failed on the way to the old one.
func (s *State) use(next *accepted) {
	before, logins := s.assigned, s.logins()
	s.accepted = next
	s.assigned = map[string]*fleet.Assignment{}
	for i := range next.desired.Instances {
		a := &next.desired.Instances[i]
		s.assigned[a.ID] = a
		inst := s.instance(a.ID)
		s.describe(inst, a)
		was := before[a.ID]
		if was != nil && was.Goal != a.Goal {
			inst.recover()
		}
		if was == nil || was.Goal != a.Goal {
			s.stage(StageAccepted, inst)
		}
	}
	s.usePreparations()
	s.review()
	s.loginsChanged(logins, s.logins())
	s.unmatched = true
}

// review finds out which of the versions that are asked for can't run here.
func (s *State) review() {
	s.refused = map[string]string{}
	try := func(version string, spec *fleet.Spec) {
		if why := s.unable(spec); why != "" {
			s.refused[version] = fleet.Clip(why, fleet.MaxReason)
		}
	}
	for _, a := range s.assigned {
		if spec := s.spec(a); spec != nil {
			try(fleet.VersionKey(a.Service, a.Version), spec)
		}
	}
	for _, version := range s.accepted.desired.Prepare {
		if spec, known := s.accepted.desired.Versions[version]; known {
			try(version, &spec)
		}
	}
}

// describe keeps in the record what outlasts the assignment. The hub may learn
// only later what a version is: a run that is ready by then stays so until the
// probe that comes with it fails.
func (s *State) describe(inst *instance, a *fleet.Assignment) {
	rec := inst.rec
	rec.Described = true
	rec.Service, rec.Version, rec.Slot = a.Service, a.Version, a.Slot
	if spec := s.spec(a); spec != nil {
		if rec.Probe == nil {
			inst.ready = inst.run != "" && inst.run == rec.ReadyRun
		}
		rec.Probe, rec.Spec = spec.Probe, spec.Sum()
	}
}

// unable says why this agent can't run a spec, if so: it wants features that
// this agent lacks, or ports that are none.
func (s *State) unable(spec *fleet.Spec) string {
	for _, p := range spec.Publish {
		if p.Target < 1 || p.Target > maxPort || p.HostPort < 0 || p.HostPort > maxPort {
			return fmt.Sprintf("it publishes port %d as %d, and one of them is no port", p.Target, p.HostPort)
		}
	}
	var missing []string
	for _, feature := range spec.Requires {
		if !slices.Contains(s.config.Facts.Features, feature) {
			missing = append(missing, feature)
		}
	}
	if len(missing) == 0 {
		return cmp.Or(s.secretive(spec), s.unfit(spec))
	}
	return "this agent doesn't know " + strings.Join(missing, ", ") + ": upgrade it"
}

// spec is what an assignment's version is, not to be changed; nil: the desired
// state lacks it.
func (s *State) spec(a *fleet.Assignment) *fleet.Spec { return s.accepted.specs[a.ID] }

func (s *State) frozen(service fleet.ServiceKey) bool {
	d := &s.accepted.desired
	return d.Frozen || slices.Contains(d.FrozenServices, service)
}

// refuse says once that a message was refused; the same again is silent.
func (s *State) refuse(what, problem string, now time.Time) {
	if s.lastRefusal == what+problem {
		return
	}
	s.lastRefusal = what + problem
	s.event(now, fleet.Event{
		Type: fleet.EventMessageRefused, Subject: "hosts/" + s.config.Host, Cause: "hub",
		Data: fleet.EventData{Message: "the " + what + " was refused: " + problem, Host: s.config.Host},
	})
}
