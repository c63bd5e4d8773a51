package turn

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// maxSpec bounds one version: a host's desired state has to hold many.
const maxSpec = 128 << 10

// apply compares a project's services with what stands, refuses what can't
// be, and otherwise takes all of it.
func (t *tx) apply(c fleet.Command) (fleet.Result, error) {
	if err := t.refuseApply(c); err != nil {
		return fleet.Result{}, err
	}
	services, secrets, err := t.bind(c)
	if err != nil {
		return fleet.Result{}, err
	}
	c.Services = services
	ports, err := t.shareOut(c)
	if err != nil {
		return fleet.Result{}, err
	}
	plan := &fleet.Plan{Secrets: secrets, Warnings: slices.Concat(c.Warnings, ports.warnings, t.orderWarnings(c))}
	named := map[fleet.ServiceKey]bool{}
	changed := len(ports.lost)+len(secrets) > 0
	if !c.DryRun {
		for _, key := range sorted(ports.lost, fleet.ServiceKey.Less) {
			t.loseNames(key, ports, c)
		}
	}
	for i := range c.Services {
		asked := c.Services[i]
		named[asked.Key] = true
		change := t.compare(&asked, ports.names[asked.Key])
		if s := t.services.get(asked.Key); s != nil && s.Stopped {
			plan.Warnings = append(plan.Warnings, asked.Key.String()+" is stopped, and stays so: muster start "+asked.Key.String())
		}
		plan.Services = append(plan.Services, change)
		if change.Action != fleet.ActionUnchanged {
			changed = true
			if !c.DryRun {
				t.take(asked, ports.names[asked.Key], change, c)
			}
		}
	}
	if len(secrets) > 0 {
		plan.Services = append(plan.Services, t.takeSecrets(secrets, named, c)...)
		slices.SortFunc(plan.Services, func(a, b fleet.ServiceChange) int { return cmp.Compare(a.Service.String(), b.Service.String()) })
	}
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if key.Project != c.Project || named[key] || t.services.get(key).Removing {
			continue
		}
		if !c.Prune {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("%s runs but isn't in the file; it stays (--prune removes it)", key))
			continue
		}
		changed = true
		plan.Services = append(plan.Services, fleet.ServiceChange{Service: key, Action: fleet.ActionRemove, Version: t.services.get(key).Version})
		if !c.DryRun {
			t.removeService(key, c)
		}
	}
	if len(t.balancers.keys(fleet.BalancerKey.Less)) == 0 && wantsBalancer(c.Services) {
		plan.Warnings = append(plan.Warnings, "no host has a balancer yet: start an agent with --haproxy to offer these services")
	}
	if c.DryRun {
		t.foresee(c, plan)
	}
	message := "nothing changes"
	if changed && !c.DryRun && c.Document != "" {
		t.documents.put(c.Project, &Document{Text: c.Document, Revision: t.rev})
	}
	if changed {
		message = fmt.Sprintf("%s applied", c.Project)
	}
	return fleet.Result{Changed: changed && !c.DryRun, Message: message, Plan: plan}, nil
}

func wantsBalancer(services []fleet.Service) bool {
	for i := range services {
		if services[i].Balancing != nil {
			return true
		}
	}
	return false
}

func (t *tx) refuseApply(c fleet.Command) error {
	if err := fleet.ValidateProject(c.Project); err != nil {
		return err
	}
	if len(c.Services) == 0 && !c.Prune {
		return fleet.Invalid("services", "the file has no services")
	}
	if n := t.servicesAfter(c); n > t.s.opts.MaxServices {
		return fleet.Invalid("services", "%d services are more than %d", n, t.s.opts.MaxServices)
	}
	for i := range c.Services {
		s := &c.Services[i]
		path := "services." + s.Key.Name
		if s.Key.Project != c.Project {
			return fleet.Invalid(path, "belongs to project %q, not %q", s.Key.Project, c.Project)
		}
		if s.Count < 0 || s.Count > t.s.opts.MaxCount {
			return fleet.Invalid(path+".deploy.replicas", "%d is not between 0 and %d", s.Count, t.s.opts.MaxCount)
		}
		if err := s.ValidateRollout(); err != nil {
			return fleet.Invalid(path, "%v", err)
		}
		if size := len(specText(&s.Spec)); size > maxSpec {
			return fleet.Invalid(path, "its definition has %d bytes, more than %d", size, maxSpec).WithHint("%s", largest(&s.Spec))
		}
		if stands := t.services.get(s.Key); stands != nil && stands.Removing {
			return fleet.Conflict(path, "%s is still being removed", s.Key).WithHint("apply again once it is gone: muster service %s", s.Key)
		}
	}
	return t.refuseOrder(c)
}

// largest says what takes most of a version that is too large.
func largest(spec *fleet.Spec) string {
	name, size := "the environment", len(mustJSON(spec.Environment))
	for _, c := range spec.Configs {
		if c.Size > size {
			name, size = "the config "+c.Name, c.Size
		}
	}
	return fmt.Sprintf("%s takes %d of them", name, size)
}

func (t *tx) servicesAfter(c fleet.Command) int {
	n := len(t.services.keys(fleet.ServiceKey.Less))
	for i := range c.Services {
		if t.services.get(c.Services[i].Key) == nil {
			n++
		}
	}
	return n
}

// compare says what applying would do to one service.
func (t *tx) compare(asked *fleet.Service, namePorts []int) fleet.ServiceChange {
	change := fleet.ServiceChange{Service: asked.Key}
	stands := t.services.get(asked.Key)
	if stands == nil {
		found := t.found(asked.Key)
		asked.Count = max(countOf(asked, nil), countFound(asked, found))
		change.Action, change.Version = fleet.ActionAdd, t.foundVersion(asked, found)
		return change
	}
	asked.Count = countOf(asked, &stands.Asked)
	change.Version = stands.Version
	change.Fields = Diff(&stands.Asked, asked)
	if len(change.Fields) == 0 && slices.Equal(stands.NamePorts, namePorts) {
		change.Action = fleet.ActionUnchanged
		return change
	}
	change.Action = fleet.ActionChange
	if !bytes.Equal(specText(&stands.Asked.Spec), specText(&asked.Spec)) {
		change.Version = t.versionFor(stands, asked)
		for _, in := range t.members(asked.Key) {
			if in.Goal == fleet.GoalRun && in.Version != change.Version && !t.kept(stands, in) {
				change.Replaces++
			}
		}
	}
	return change
}

// countFound keeps as many instances as are found running, where the document
// doesn't state how many there are to be.
func countFound(asked *fleet.Service, found map[string][]*fleet.InstanceActual) int {
	if asked.CountStated || asked.Mode == fleet.ModeGlobal {
		return 0
	}
	n := 0
	for _, list := range found {
		n += len(list)
	}
	return n
}

// countOf is the count that the document states, else the one that stands.
// That of a global service was nobody's order.
func countOf(asked, stands *fleet.Service) int {
	switch {
	case asked.CountStated || asked.Mode == fleet.ModeGlobal:
		return asked.Count
	case stands != nil && stands.Mode != fleet.ModeGlobal:
		return stands.Count
	default:
		return 1
	}
}

// take makes what was asked for the desired state.
func (t *tx) take(asked fleet.Service, namePorts []int, change fleet.ServiceChange, c fleet.Command) {
	s := t.services.edit(asked.Key)
	isNew := s == nil
	if isNew {
		s = &Service{Versions: map[int]fleet.Version{}}
		t.services.put(asked.Key, s)
	}
	// What is left of a service that had the name before belongs to this one.
	if isNew || !sameNames(s.Asked.Balancing, asked.Balancing) {
		t.namesChanged(asked.Key.Project)
	}
	t.touchOrder(s)
	s.Asked = asked
	t.touchOrder(s)
	s.NamePorts = namePorts
	from := s.Version
	version, kept := s.Versions[change.Version]
	s.Version = change.Version
	if !kept {
		version = fleet.Version{Number: change.Version, Spec: asked.Spec, Created: t.now, Cause: c.ID, Actor: c.Actor}
		version.Spec.Requires = asked.Spec.Features()
	}
	version.Balancing = asked.Balancing
	t.revised[asked.Key.Project] = true
	s.Versions = with(s.Versions, s.Version, version)
	t.dirtyMembers(asked.Key)
	message := fmt.Sprintf("%s applied: version %d, %s", asked.Key, s.Version, countText(&asked))
	t.changed(s, fleet.EventServiceApplied, c, message)
	if !isNew && from != s.Version && s.Asked.Mode != fleet.ModeJob {
		t.beginRollout(s, from, false, c)
	}
	if change.Action == fleet.ActionAdd {
		s.Settled = t.s.Restored
		t.takeInFound(asked.Key)
	}
	t.dirtyPool[asked.Key] = true
}

// sameNames: a service is reached by its name at the same balancers.
func sameNames(a, b *fleet.Balancing) bool {
	return (a == nil) == (b == nil) && (a == nil || slices.Equal(a.Balancers, b.Balancers))
}

func countText(s *fleet.Service) string {
	switch {
	case s.Mode == fleet.ModeGlobal:
		return "one on every eligible host"
	case s.Mode == fleet.ModeJob:
		return "run to its end"
	case s.Count == 1:
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", s.Count)
}

// namesChanged has the hosts' name tables derived anew: containers that are
// made from now on resolve the project's services.
func (t *tx) namesChanged(project string) {
	for _, key := range t.services.keys(fleet.ServiceKey.Less) {
		if key.Project == project {
			for _, in := range t.members(key) {
				t.dirtyHost[in.Host] = true
			}
		}
	}
}

// takeInFound makes known what hosts have of a service that is new to the hub.
func (t *tx) takeInFound(key fleet.ServiceKey) {
	found := t.found(key)
	for _, host := range sorted(found, byText) {
		for _, a := range found[host] {
			t.takeIn(host, a)
		}
	}
}

// versionFor is the number of what is asked for: that of instances which were
// taken in and have this very content, else the next.
func (t *tx) versionFor(s *Service, asked *fleet.Service) int {
	sum := asked.Spec.Sum()
	if number := s.numbered(sum); number > 0 {
		return number
	}
	for _, in := range t.members(s.Asked.Key) {
		if in.Spec == sum {
			return in.Version
		}
	}
	return t.nextVersion(s)
}

// nextVersion is a number that nothing of the service has had.
func (t *tx) nextVersion(s *Service) int {
	highest := t.home(s.Asked.Key).Version
	for number := range s.Versions {
		highest = max(highest, number)
	}
	for _, in := range t.members(s.Asked.Key) {
		highest = max(highest, in.Version)
	}
	return highest + 1
}

// numbersGoOn keeps in mind which numbers versions have had that are about to be
// forgotten: the highest isn't always the one that runs.
func (t *tx) numbersGoOn(s *Service) {
	home := t.home(s.Asked.Key)
	highest := home.Version
	for number := range s.Versions {
		highest = max(highest, number)
	}
	if highest > home.Version {
		home.Version = highest
		t.homes.put(s.Asked.Key, &home)
	}
}

// forgetVersions drops old versions that no instance has.
func (t *tx) forgetVersions(key fleet.ServiceKey) {
	s := t.services.get(key)
	most := t.s.opts.MaxVersions
	if s != nil && s.Asked.Keep > 0 {
		most = s.Asked.Keep
	}
	if s == nil || len(s.Versions) <= most {
		return
	}
	used := map[int]bool{s.Version: true}
	if r := s.Rollout; r != nil {
		used[r.From], used[r.To] = true, true
	}
	for _, in := range t.members(key) {
		used[in.Version] = true
	}
	numbers := sorted(s.Versions, byNumber)
	kept := s.Versions
	for _, number := range numbers {
		if len(kept) <= most {
			break
		}
		if !used[number] {
			kept = without(kept, number)
		}
	}
	if len(kept) < len(s.Versions) {
		t.numbersGoOn(s)
		t.services.edit(key).Versions = kept
		t.revised[key.Project] = true
		t.dirtyMembers(key)
	}
}

func specText(spec *fleet.Spec) []byte {
	raw, err := json.Marshal(spec)
	if err != nil {
		// A Spec is plain data: strings, numbers, maps of strings.
		panic("encode spec: " + err.Error())
	}
	return raw
}
