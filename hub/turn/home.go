package turn

import (
	"fmt"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

// home is what outlives the service.
func (t *tx) home(key fleet.ServiceKey) Home {
	if h := t.homes.get(key); h != nil {
		return *h
	}
	return Home{}
}

// keepHome remembers which host has the data of an instance's slot.
func (t *tx) keepHome(s *Service, in *Instance) {
	if !s.Asked.Spec.Pinned() || s.Asked.Mode == fleet.ModeGlobal || t.hosts.get(in.Host).withoutData() {
		return
	}
	home := t.home(in.Service)
	home.Hosts = with(home.Hosts, in.Slot, in.Host)
	home.Data = union(home.Data, s.Asked.Spec.Data())
	t.homes.put(in.Service, &home)
}

// homeOf is the host that has the data of a service's slot; empty: none has.
func (t *tx) homeOf(s *Service, slot int) string {
	home := t.home(s.Asked.Key)
	has := func(source string) bool { return slices.Contains(home.Data, source) }
	if s.Asked.Mode == fleet.ModeGlobal || !slices.ContainsFunc(s.Asked.Spec.Data(), has) {
		return ""
	}
	return home.Hosts[slot]
}

// dataHint names the way out for whoever waits for a host's data.
func (t *tx) dataHint(home string) string {
	if l := t.live.get(home); home == "" || l == nil || l.State == fleet.HostUp || l.State == fleet.HostUnknown {
		return ""
	}
	return fmt.Sprintf(" (if %s and the data on it are gone for good: muster host fail %s --data-lost)", home, home)
}

// hasData: some service's slot has its data on the host.
func (t *tx) hasData(host string) bool {
	for _, key := range t.homes.keys(fleet.ServiceKey.Less) {
		for _, at := range t.home(key).Hosts {
			if at == host {
				return true
			}
		}
	}
	return false
}

// giveUpData forgets that a host has anybody's data.
func (t *tx) giveUpData(host string) {
	for _, key := range t.homes.keys(fleet.ServiceKey.Less) {
		home := t.home(key)
		for slot, at := range home.Hosts {
			if at == host {
				home.Hosts = without(home.Hosts, slot)
				t.homes.put(key, &home)
			}
		}
		t.restNoMore(key, host)
	}
}

// restNoMore has nobody wait for data on a host that is given up.
func (t *tx) restNoMore(key fleet.ServiceKey, host string) {
	s := t.services.get(key)
	if s == nil {
		return
	}
	for slot, at := range s.Resting {
		if at == host {
			s = t.services.edit(key)
			s.Resting = without(s.Resting, slot)
		}
	}
}
