package turn

import (
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// recipient is the key that a host's secrets are encrypted to; empty: it has none.
func (t *tx) recipient(host string) string {
	if t.s.opts.Recipient != nil {
		return t.s.opts.Recipient(host)
	}
	if h := t.hosts.get(host); h != nil {
		return h.Facts.SecretsKey
	}
	return ""
}

// keyless says why a host can't be given a version's secrets; empty: it can, or
// placement says so anyway.
func (t *tx) keyless(host string, features []string, spec *fleet.Spec) string {
	if len(spec.Secrets) == 0 || !slices.Contains(features, fleet.FeatureSecrets) || t.recipient(host) != "" {
		return ""
	}
	return "has no key that secrets could be encrypted to; restart its agent, whose log says why"
}

// deliver adds what a host's versions need of secrets, and what their images need of
// registries, encrypted to the host. What can't be encrypted is left out: the agent
// says what it lacks.
func (t *tx) deliver(d *fleet.Desired, starts map[string]fleet.ServiceKey) {
	to := t.recipient(d.Host)
	if to == "" || t.s.opts.Encrypt == nil {
		return
	}
	registries := map[string]bool{}
	for _, version := range d.Prepare {
		spec := d.Versions[version]
		registries[fleet.RegistryOf(spec.Image)] = true
	}
	for version, service := range starts {
		spec := d.Versions[version]
		registries[fleet.RegistryOf(spec.Image)] = true
		for _, m := range spec.Secrets {
			key := fleet.SecretKey{Project: service.Project, Name: m.Name}
			s := t.secrets.get(key)
			if s == nil || sumOf(s.Values[m.Revision].SealedValue) != m.Sum {
				continue
			}
			v := s.Values[m.Revision]
			if text, err := t.s.opts.Encrypt(to, SecretName(key), m.Revision, v.SealedValue); err == nil {
				if d.Secrets == nil {
					d.Secrets = map[string]string{}
				}
				d.Secrets[fleet.SecretRef(key, m.Revision)] = text
			}
		}
	}
	for _, host := range sorted(registries, byText) {
		r := t.registries.get(host)
		if r == nil {
			continue
		}
		if text, err := t.s.opts.Encrypt(to, RegistryName(host), r.Revision, r.SealedValue); err == nil {
			if d.Registries == nil {
				d.Registries = map[string]string{}
			}
			d.Registries[host] = text
		}
	}
}
