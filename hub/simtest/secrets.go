package simtest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// secretOf is the one secret of a service that has one.
func secretOf(service string) string { return service + "-key" }

// sealOf seals a value: nobody here looks who shouldn't.
func sealOf(value string) fleet.SealedValue {
	return fleet.SealedValue{Sealed: []byte(value), Fingerprint: wire.Sum([]byte(value)), Size: len(value)}
}

// encrypt makes of a value a text for one recipient.
func encrypt(to, _ string, _ int, value fleet.SealedValue) (string, error) {
	return to + "|" + string(value.Sealed), nil
}

// secretsKey is the host's public key. It says whose it is.
func (h *host) secretsKey() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%32.32s", "key of "+h.id))
}

// provide writes an instance's secrets to the host's memory, as an agent does before
// the engine is asked.
func (a *agent) provide(op *brain.Op) {
	for _, s := range op.Secrets {
		to, value, _ := strings.Cut(s.Sealed, "|")
		if to != a.host.secretsKey() {
			a.sim.violate("%s is sent a secret of %s", a.host.id, to)
		}
		if a.host.memory[op.Instance] == nil {
			a.host.memory[op.Instance] = map[string]string{}
		}
		a.host.memory[op.Instance][s.File] = value
	}
}

// keepSecrets removes the files of what is gone.
func (a *agent) keepSecrets(instances []string) {
	for instance := range a.host.memory {
		if slices.Contains(instances, instance) {
			continue
		}
		delete(a.host.memory, instance)
		for _, c := range a.host.engine.sorted() {
			if c.instance == instance && c.Labels[brain.LabelLineage] == lineage {
				a.sim.violate("the secrets of %s on %s are removed, and it has container %s", instance, a.host.id, c.ID)
			}
		}
	}
}

// mayRead looks at what a container finds when it is made or started: the value of each
// of its version's revisions, and no other.
func (k *checker) mayRead(h *host, c *container) {
	for _, m := range c.spec.Secrets {
		ref := fleet.SecretRef(fleet.SecretKey{Project: project, Name: m.Name}, m.Revision)
		has, there := h.memory[c.instance][m.Name]
		want, known := k.values[ref+m.Sum]
		switch {
		case !there:
			k.sim.violate("%s on %s starts without its secret %s", c.instance, h.id, ref)
		case !known:
			k.sim.violate("%s on %s has the secret %s, which nobody set", c.instance, h.id, ref)
		case has != want:
			k.sim.violate("%s on %s has %q as its secret %s, which is %q", c.instance, h.id, has, ref, want)
		}
	}
}

// secret remembers a value that was committed.
func (k *checker) secret(key, fingerprint string, revision int, value string) {
	at := fmt.Sprintf("%s@%d%.16s", key, revision, fingerprint)
	if before, known := k.values[at]; known && before != value {
		k.sim.violate("revision %d of %s was %q, and is %q", revision, key, before, value)
	}
	k.values[at] = value
}

// keepsSecret gives a service a secret, now and then.
func (c *chaos) keepsSecret(w *wish) {
	d := c.chance("secrets")
	if d.IntN(3) != 0 {
		return
	}
	before := c.eligible(w)
	w.Spec.Secrets = []fleet.SecretMount{{Name: secretOf(w.Key.Name), Target: "/run/secrets/key", Mode: 0o444}}
	n := c.eligible(w)
	if n == 0 || len(w.Spec.FixedPorts()) > 0 && w.Count > n || w.Mode == fleet.ModeGlobal && n < before { // old agents can't have it
		w.Spec.Secrets = nil
		return
	}
	c.secrets[secretOf(w.Key.Name)] = w.Key.Name + " is secret"
}

// tellSecret has a person set another value of a secret, or the same.
func (c *chaos) tellSecret() {
	d := c.chance("secrets")
	for _, w := range c.wishes {
		name := secretOf(w.Key.Name)
		if c.secrets[name] == "" || d.IntN(3) != 0 {
			continue
		}
		value := fmt.Sprintf("%s is secret %d", w.Key.Name, d.IntN(4))
		sealed := sealOf(value)
		c.order(fleet.Command{Do: fleet.DoSecretSet, Secret: fleet.SecretKey{Project: project, Name: name}, Sealed: &sealed})
		c.secrets[name] = value // what the file has, whether the hub took it or not
	}
}

// written are the values that go along with the file.
func (c *chaos) written() map[string]fleet.SealedValue {
	values := map[string]fleet.SealedValue{}
	for name, value := range c.secrets {
		values[name] = sealOf(value)
	}
	return values
}
