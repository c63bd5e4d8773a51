package turn

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Secret is a secret's values, as the hub's key has sealed them. Its numbers go on
// after it was removed: a revision means one value for ever.
type Secret struct {
	Revision int                 `json:"revision,omitempty"` // the current one; 0: it was removed
	Last     int                 `json:"last"`               // the highest that it has had
	Values   map[int]SecretValue `json:"values,omitempty"`   // never changed in place
}

// SecretValue is one revision of a secret.
type SecretValue struct {
	fleet.SealedValue
	Created time.Time `json:"created"`
	Cause   string    `json:"cause"`
	Actor   string    `json:"actor,omitempty"`
}

// Registry is what one registry is told at each pull.
type Registry struct {
	fleet.SealedValue
	Username string    `json:"username"`
	Revision int       `json:"revision"`
	Created  time.Time `json:"created"`
	Cause    string    `json:"cause"`
	Actor    string    `json:"actor,omitempty"`
}

// SecretName and RegistryName are the names under which values are sealed.
func SecretName(key fleet.SecretKey) string { return "secrets/" + key.String() }

// RegistryName is that of a registry's credentials.
func RegistryName(host string) string { return "registries/" + host }

// sumLength is how much of a fingerprint goes into a version.
const sumLength = 16

// maxCarried bounds a version with its secrets, as they are delivered: a host's
// desired state has to hold two of a service while one replaces the other.
const maxCarried = 192 << 10

// delivered is about what a value takes in a desired message: encrypted, in base64,
// with its name.
func delivered(size int) int { return (size+48)*4/3 + 160 }

// current is a secret that is there; nil: there is none.
func (t *tx) current(key fleet.SecretKey) *Secret {
	if s := t.secrets.get(key); s != nil && s.Revision != 0 {
		return s
	}
	return nil
}

// bind gives services the revisions that their secrets have now, or get with this
// very order. The services are copies.
func (t *tx) bind(c fleet.Command) ([]fleet.Service, []fleet.SecretChange, error) {
	values := map[fleet.SecretKey]fleet.SealedValue{}
	numbers := map[fleet.SecretKey]int{}
	var changes []fleet.SecretChange
	for _, name := range sorted(c.Secrets, byText) {
		key, value := fleet.SecretKey{Project: c.Project, Name: name}, c.Secrets[name]
		if err := checkValue(key, value); err != nil {
			return nil, nil, err
		}
		number, isNew := t.numberFor(key, value)
		values[key], numbers[key] = value, number
		if isNew {
			action := fleet.ActionAdd
			if t.current(key) != nil {
				action = fleet.ActionChange
			}
			changes = append(changes, fleet.SecretChange{Secret: key, Action: action, Revision: number})
		}
	}
	services := slices.Clone(c.Services)
	for i := range services {
		s := &services[i]
		s.Spec.Secrets = slices.Clone(s.Spec.Secrets)
		size := len(specText(&s.Spec))
		for j := range s.Spec.Secrets {
			m := &s.Spec.Secrets[j]
			key := fleet.SecretKey{Project: c.Project, Name: m.Name}
			value, given := values[key]
			m.Revision = numbers[key]
			if has := t.current(key); !given && has != nil {
				m.Revision, value = has.Revision, has.Values[has.Revision].SealedValue
			} else if !given {
				return nil, nil, fleet.Invalid("services."+s.Key.Name+".secrets."+m.Name, "there is no secret %s", key).
					WithHint("set it first: muster secret set %s", key)
			}
			m.Sum = sumOf(value)
			size += delivered(value.Size)
		}
		if size > maxCarried {
			return nil, nil, fleet.Invalid("services."+s.Key.Name+".secrets", "with its secrets, as they are delivered, it has %d bytes, more than %d", size, maxCarried)
		}
	}
	return services, changes, nil
}

func sumOf(v fleet.SealedValue) string { return v.Fingerprint[:min(len(v.Fingerprint), sumLength)] }

func checkValue(key fleet.SecretKey, v fleet.SealedValue) error {
	if _, err := fleet.ParseSecretKey(key.String()); err != nil {
		return err
	}
	return checkSealed(v, fleet.MaxSecret)
}

func checkSealed(v fleet.SealedValue, most int) error {
	switch {
	case len(v.Sealed) == 0 || len(v.Fingerprint) < sumLength:
		return fleet.Invalid("value", "is missing")
	case v.Size == 0:
		return fleet.Invalid("value", "is empty")
	case v.Size > most:
		return fleet.Invalid("value", "has %d bytes, more than %d", v.Size, most)
	}
	return nil
}

// numberFor is the revision that a value has, and whether it is a new one.
func (t *tx) numberFor(key fleet.SecretKey, value fleet.SealedValue) (number int, isNew bool) {
	if s := t.current(key); s != nil && s.Values[s.Revision].Fingerprint == value.Fingerprint {
		return s.Revision, false
	}
	if s := t.secrets.get(key); s != nil {
		return s.Last + 1, true
	}
	return 1, true
}

// takeSecrets stores the values that came with an apply, and has other services that
// use them follow. It returns the plan's part of those.
func (t *tx) takeSecrets(changes []fleet.SecretChange, named map[fleet.ServiceKey]bool, c fleet.Command) (plan []fleet.ServiceChange) {
	users := map[fleet.ServiceKey]bool{}
	for _, change := range changes {
		for _, user := range t.usersOf(change.Secret) {
			if !named[user] {
				users[user] = true
			}
		}
		if !c.DryRun {
			t.revise(change.Secret, c.Secrets[change.Secret.Name], c)
		}
	}
	for _, user := range sorted(users, fleet.ServiceKey.Less) {
		asked := t.services.get(user).Asked
		for _, change := range changes {
			asked.Spec.Secrets = rebound(asked.Spec.Secrets, change.Secret.Name, change.Revision, c.Secrets[change.Secret.Name])
		}
		plan = append(plan, t.follow(asked, c))
	}
	return plan
}

// revise makes a value the current one of a secret.
func (t *tx) revise(key fleet.SecretKey, value fleet.SealedValue, c fleet.Command) (event string) {
	number, _ := t.numberFor(key, value)
	s := Secret{}
	if was := t.secrets.get(key); was != nil {
		s = *was
	}
	s.Revision, s.Last = number, number
	event = t.event(fleet.EventSecretSet, subjectSecret(key), c.ID, fleet.EventData{Message: fmt.Sprintf("%s is set: revision %d", key, number)})
	t.events[len(t.events)-1].Actor = c.Actor
	s.Values = with(s.Values, number, SecretValue{SealedValue: value, Created: t.now, Cause: c.ID, Actor: c.Actor})
	t.secrets.put(key, &s)
	t.revised[key.Project] = true
	return event
}

// usersOf are the services that are asked for with a secret.
func (t *tx) usersOf(key fleet.SecretKey) (users []fleet.ServiceKey) {
	found := map[fleet.ServiceKey]bool{}
	t.services.each(func(service fleet.ServiceKey, s *Service) {
		if service.Project == key.Project && !s.Removing && mounts(&s.Asked.Spec, key.Name) {
			found[service] = true
		}
	})
	return sorted(found, fleet.ServiceKey.Less)
}

func mounts(spec *fleet.Spec, name string) bool {
	return slices.ContainsFunc(spec.Secrets, func(m fleet.SecretMount) bool { return m.Name == name })
}

// follow has a service be what is asked for now: with other revisions of its secrets.
func (t *tx) follow(asked fleet.Service, c fleet.Command) fleet.ServiceChange {
	ports := t.services.get(asked.Key).NamePorts
	change := t.compare(&asked, ports)
	if !c.DryRun && change.Action != fleet.ActionUnchanged {
		t.take(asked, ports, change, c)
	}
	return change
}

// rebound is a list of secrets in which one has another revision.
func rebound(list []fleet.SecretMount, name string, revision int, value fleet.SealedValue) []fleet.SecretMount {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Name == name {
			list[i].Revision, list[i].Sum = revision, sumOf(value)
		}
	}
	return list
}

func (t *tx) setSecret(c fleet.Command) (fleet.Result, error) {
	key := c.Secret
	if c.Sealed == nil {
		return fleet.Result{}, fleet.Invalid("value", "is missing")
	}
	if err := checkValue(key, *c.Sealed); err != nil {
		return fleet.Result{}, err
	}
	number, isNew := t.numberFor(key, *c.Sealed)
	if !isNew {
		return fleet.Result{Message: fmt.Sprintf("%s has this value already: revision %d", key, number)}, nil
	}
	users := t.usersOf(key)
	for _, user := range users {
		if size := t.carried(&t.services.get(user).Asked, key.Name, c.Sealed.Size); size > maxCarried {
			return fleet.Result{}, fleet.Invalid("value", "%s with its secrets, as they are delivered, would have %d bytes, more than %d", user, size, maxCarried)
		}
	}
	event := t.revise(key, *c.Sealed, c)
	c.ID = event // what the services do comes from there
	var says []string
	for _, user := range users {
		asked := t.services.get(user).Asked
		asked.Spec.Secrets = rebound(asked.Spec.Secrets, key.Name, number, *c.Sealed)
		says = append(says, fmt.Sprintf("%s gets version %d", user, t.follow(asked, c).Version))
	}
	message := fmt.Sprintf("%s is set: revision %d", key, number)
	if len(says) > 0 {
		message += "; " + strings.Join(says, ", ")
	}
	return fleet.Result{Changed: true, Message: message}, nil
}

// carried is about what a version takes with its secrets, were one of them of another
// size.
func (t *tx) carried(asked *fleet.Service, name string, size int) int {
	all := len(specText(&asked.Spec))
	for _, m := range asked.Spec.Secrets {
		if m.Name == name {
			all += delivered(size)
			continue
		}
		all += t.secretSize(asked.Key.Project, m)
	}
	return all
}

func (t *tx) secretSize(project string, m fleet.SecretMount) int {
	if s := t.secrets.get(fleet.SecretKey{Project: project, Name: m.Name}); s != nil {
		if v, kept := s.Values[m.Revision]; kept {
			return delivered(v.Size)
		}
	}
	return 0
}

func (t *tx) removeSecret(c fleet.Command) (fleet.Result, error) {
	key := c.Secret
	s := t.current(key)
	if s == nil {
		return fleet.Result{}, fleet.NotFound("there is no secret %s", key).WithHint("muster secret ls lists them")
	}
	if users := t.holdersOf(key); len(users) > 0 {
		return fleet.Result{}, fleet.Conflict("secret", "%s is used by %s", key, strings.Join(users, ", ")).
			WithHint("take it out of the file and apply that first")
	}
	message := fmt.Sprintf("%s is removed; versions that had it can't come back", key)
	t.secrets.put(key, &Secret{Last: s.Last})
	t.event(fleet.EventSecretRemoved, subjectSecret(key), c.ID, fleet.EventData{Message: message})
	t.events[len(t.events)-1].Actor = c.Actor
	return fleet.Result{Changed: true, Message: message}, nil
}

// holdersOf are the services that may start something with a secret: what is asked
// for, what runs, and both sides of a rollout.
func (t *tx) holdersOf(key fleet.SecretKey) (users []string) {
	for _, service := range t.services.keys(fleet.ServiceKey.Less) {
		if service.Project != key.Project {
			continue
		}
		s := t.services.get(service)
		needs := map[int]bool{s.Version: true}
		if r := s.Rollout; r != nil && !r.Over() {
			needs[r.From], needs[r.To] = true, true
		}
		for _, in := range t.members(service) {
			needs[in.Version] = true
		}
		uses := mounts(&s.Asked.Spec, key.Name)
		for number := range needs {
			if v, known := s.Versions[number]; known && mounts(&v.Spec, key.Name) {
				uses = true
			}
		}
		if uses {
			users = append(users, service.String())
		}
	}
	return users
}

// lost names the secrets of a version whose values aren't kept any more.
func (t *tx) lost(project string, spec *fleet.Spec) (refs []string) {
	for _, m := range spec.Secrets {
		key := fleet.SecretKey{Project: project, Name: m.Name}
		if s := t.secrets.get(key); s == nil || sumOf(s.Values[m.Revision].SealedValue) != m.Sum {
			refs = append(refs, fleet.SecretRef(key, m.Revision))
		}
	}
	return refs
}

// refuseLost refuses to go to a version that couldn't start.
func (t *tx) refuseLost(s *Service, number int) error {
	v := s.Versions[number]
	if refs := t.lost(s.Asked.Key.Project, &v.Spec); len(refs) > 0 {
		return fleet.Conflict("version", "version %d of %s needs the secret %s, which was removed", number, s.Asked.Key, strings.Join(refs, ", ")).
			WithHint("set the secret again, and apply a file that says what version %d did", number)
	}
	return nil
}

// dropValues forgets the values that neither the current revision nor a kept version
// of the project's services has.
func (t *tx) dropValues() {
	for _, project := range sorted(t.revised, byText) {
		needs := map[string]bool{}
		t.services.each(func(key fleet.ServiceKey, s *Service) {
			if key.Project != project {
				return
			}
			need := func(spec *fleet.Spec) {
				for _, m := range spec.Secrets {
					needs[fleet.SecretRef(fleet.SecretKey{Project: project, Name: m.Name}, m.Revision)] = true
				}
			}
			need(&s.Asked.Spec)
			for _, v := range s.Versions {
				need(&v.Spec)
			}
		})
		for _, key := range t.secrets.keys(fleet.SecretKey.Less) {
			if key.Project != project {
				continue
			}
			s := t.secrets.get(key)
			kept := s.Values
			for number := range s.Values {
				if number != s.Revision && !needs[fleet.SecretRef(key, number)] {
					kept = without(kept, number)
				}
			}
			if len(kept) < len(s.Values) {
				t.secrets.edit(key).Values = kept
			}
		}
	}
}

func subjectSecret(key fleet.SecretKey) string { return "secrets/" + key.String() }
