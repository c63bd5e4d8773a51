package turn

import (
	"cmp"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// Secrets lists the secrets of a project, or of all.
func (v View) Secrets(project string) []fleet.SecretView {
	out := []fleet.SecretView{}
	for _, key := range v.t.secrets.keys(fleet.SecretKey.Less) {
		s := v.t.current(key)
		if s == nil || project != "" && key.Project != project {
			continue
		}
		value := s.Values[s.Revision]
		view := fleet.SecretView{Key: key, Revision: s.Revision, Created: value.Created, Cause: value.Cause, Actor: value.Actor, UsedBy: v.t.usersOf(key)}
		for _, number := range sorted(s.Values, byNumber) {
			if number != s.Revision {
				view.Kept = append(view.Kept, number)
			}
		}
		out = append(out, view)
	}
	return out
}

// Registries lists the registries that there are credentials for.
func (v View) Registries() []fleet.RegistryView {
	users := map[string][]fleet.ServiceKey{}
	v.t.services.each(func(key fleet.ServiceKey, s *Service) {
		host := fleet.RegistryOf(s.Asked.Spec.Image)
		users[host] = append(users[host], key)
	})
	out := []fleet.RegistryView{}
	for _, host := range v.t.registries.keys(byText) {
		r := v.t.registries.get(host)
		slices.SortFunc(users[host], func(a, b fleet.ServiceKey) int { return cmp.Compare(a.String(), b.String()) })
		out = append(out, fleet.RegistryView{
			Host: host, Username: r.Username, Revision: r.Revision, Created: r.Created, Actor: r.Actor, Cause: r.Cause, UsedBy: users[host],
		})
	}
	return out
}

func secretKey(text string) (fleet.SecretKey, error) { return fleet.ParseSecretKey(text) }
