package turn

import (
	"fmt"

	"github.com/musterhq/muster/shared/fleet"
)

func subjectRegistry(host string) string { return "registries/" + host }

func (t *tx) setRegistry(c fleet.Command) (fleet.Result, error) {
	host, err := fleet.ParseRegistry(c.Registry)
	switch {
	case err != nil:
		return fleet.Result{}, err
	case c.Sealed == nil:
		return fleet.Result{}, fleet.Invalid("password", "is missing")
	case c.Username == "":
		return fleet.Result{}, fleet.Invalid("username", "is missing")
	}
	if err := checkSealed(*c.Sealed, fleet.MaxCredentials); err != nil {
		return fleet.Result{}, err
	}
	r := Registry{SealedValue: *c.Sealed, Username: c.Username, Revision: 1, Created: t.now, Cause: c.ID, Actor: c.Actor}
	if was := t.registries.get(host); was != nil {
		if was.Fingerprint == r.Fingerprint {
			return fleet.Result{Message: fmt.Sprintf("%s has these credentials already", host)}, nil
		}
		r.Revision = was.Revision + 1
	}
	t.registries.put(host, &r)
	return t.registryChanged(fleet.EventRegistrySet, host, c, fmt.Sprintf("images from %s are pulled as %s from now on", host, c.Username))
}

func (t *tx) removeRegistry(c fleet.Command) (fleet.Result, error) {
	host, err := fleet.ParseRegistry(c.Registry)
	if err != nil {
		return fleet.Result{}, err
	}
	if t.registries.get(host) == nil {
		return fleet.Result{}, fleet.NotFound("there are no credentials for %s", host).WithHint("muster registry ls lists those that there are")
	}
	t.registries.delete(host)
	return t.registryChanged(fleet.EventRegistryRemoved, host, c, fmt.Sprintf("images from %s are pulled without a login from now on", host))
}

func (t *tx) registryChanged(kind, host string, c fleet.Command, message string) (fleet.Result, error) {
	t.event(kind, subjectRegistry(host), c.ID, fleet.EventData{Message: message})
	t.events[len(t.events)-1].Actor = c.Actor
	for _, id := range t.hosts.keys(byText) {
		t.dirtyHost[id] = true
	}
	return fleet.Result{Changed: true, Message: message}, nil
}
