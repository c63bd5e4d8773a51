package turn

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/musterhq/muster/hub/balance"
	"github.com/musterhq/muster/shared/fleet"
)

// balancersReported keeps the record of a host's balancers current.
func (t *tx) balancersReported(host string, l *Live, a fleet.Actual) {
	for _, facts := range a.Facts.Balancers {
		key := fleet.BalancerKey{Host: host, Name: facts.Name}
		b := t.balancers.get(key)
		switch {
		case b == nil || b.Forgotten != "" && b.Forgotten != a.AgentStart:
			t.balancers.put(key, &Balancer{Key: key, Facts: facts})
			t.event(fleet.EventBalancerJoined, subjectBalancer(key), "", fleet.EventData{Message: fmt.Sprintf("%s joined: %s at %s", key, facts.Driver, facts.Address), Host: host})
			t.touchAll()
			t.namesOfAll()
		case b.Forgotten == "" && !bytes.Equal(mustJSON(b.Facts), mustJSON(facts)):
			moved := b.Facts.Address != facts.Address
			t.balancers.edit(key).Facts = facts
			if moved {
				t.namesOfAll()
			}
		}
	}
	for name := range l.pools {
		for service := range l.pools[name] {
			t.poolReported(service)
		}
	}
}

// balancersInTrouble tells when a balancer gets into trouble, and out of it.
// One that is first heard of and doesn't run may just be starting.
func (t *tx) balancersInTrouble(host string, first bool, now *fleet.Actual) {
	is := troubles(now)
	for _, actual := range now.Balancers {
		key := fleet.BalancerKey{Host: host, Name: actual.Name}
		trouble := is[actual.Name]
		b := t.balancers.get(key)
		if b == nil || b.Trouble == trouble || first && !actual.Up {
			continue
		}
		t.balancers.edit(key).Trouble = trouble
		if trouble != "" {
			t.event(fleet.EventBalancerProblem, subjectBalancer(key), "", fleet.EventData{Message: fmt.Sprintf("%s: %s", key, trouble), Host: host})
		} else {
			t.event(fleet.EventBalancerRecovered, subjectBalancer(key), "", fleet.EventData{Message: fmt.Sprintf("%s works again", key), Host: host})
		}
	}
}

// troubles says of each balancer in a report what is wrong with it; empty:
// nothing.
func troubles(a *fleet.Actual) map[string]string {
	out := map[string]string{}
	if a == nil {
		return out
	}
	for _, b := range a.Balancers {
		out[b.Name] = b.Problem
		if !b.Up && b.Problem == "" {
			out[b.Name] = "it doesn't run"
		}
	}
	return out
}

func (t *tx) namesOfAll() {
	for _, id := range t.hosts.keys(byText) {
		t.dirtyHost[id] = true
	}
}

// balancersOf are the balancers that a service is offered on, sorted.
func (t *tx) balancersOf(s *Service) []fleet.BalancerKey {
	return slices.DeleteFunc(t.knownBalancers(), func(key fleet.BalancerKey) bool {
		return !balance.Selected(s.Asked.Balancing, key) || t.closing(key.Host)
	})
}

// knownBalancers are the balancers that aren't forgotten, sorted.
func (t *tx) knownBalancers() []fleet.BalancerKey {
	keys := t.balancers.keys(fleet.BalancerKey.Less)
	return slices.DeleteFunc(keys, func(key fleet.BalancerKey) bool { return t.balancers.get(key).Forgotten != "" })
}

// driven: the balancer's agent is heard and says that it drives it.
func (t *tx) driven(key fleet.BalancerKey) bool {
	l := t.live.get(key.Host)
	if l == nil || l.State != fleet.HostUp || l.Actual == nil {
		return false
	}
	return slices.ContainsFunc(l.Actual.Facts.Balancers, func(b fleet.BalancerFacts) bool { return b.Name == key.Name })
}

// balancerUp: its agent reports that it runs.
func (t *tx) balancerUp(key fleet.BalancerKey) bool {
	return slices.ContainsFunc(t.live.get(key.Host).Actual.Balancers, func(b fleet.BalancerActual) bool { return b.Name == key.Name && b.Up })
}

func (t *tx) balancerHosts() []string {
	var out []string
	for _, key := range t.balancers.keys(fleet.BalancerKey.Less) {
		if len(out) == 0 || out[len(out)-1] != key.Host {
			out = append(out, key.Host)
		}
	}
	return out
}

func (t *tx) hasBalancer(host string) (has bool) {
	t.balancers.each(func(key fleet.BalancerKey, _ *Balancer) { has = has || key.Host == host })
	return has
}
