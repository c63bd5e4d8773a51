package turn

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// TestWhateverHappensToTheFleet: what must hold does at every step, and once
// all is calm the fleet comes to rest at what was asked for.
func TestWhateverHappensToTheFleet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRandom(t)
		r.stepped, r.folded = r.wantTheSameAgain, r.wantPublished
		actions := r.orders()
		maps.Copy(actions, r.troubles())
		actions[""] = func(*rapid.T) {
			r.wantRoom()
			r.wantBarrier()
			r.wantHome()
			r.wantValues()
			r.wantStored()
			r.wantNothingMore(Tick{})
		}
		t.Repeat(actions)
		r.calm()
		r.wantRest()
	})
}

// wantTheSameAgain works the turn out anew: the same input gives the same
// bytes, and the first time left no trace.
func (r *random) wantTheSameAgain(inputs []Input, delta *Delta, out Outputs) {
	r.t.Helper()
	again, outAgain := Step(r.s, inputs, r.now)
	if a, b := said(r.t, delta, out), said(r.t, again, outAgain); a != b {
		r.t.Fatalf("the same turn again says\n%s\nand said\n%s", b, a)
	}
}

// said is all that comes of a turn.
func said(t tester, delta *Delta, out Outputs) string {
	rows, err := delta.Rows()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(row.Table + " " + row.Key + " " + string(row.Value) + "\n")
	}
	for _, p := range out.Publish {
		text.WriteString(p.Topic + " " + string(p.Payload) + "\n")
	}
	rest, err := json.Marshal([]any{out.Events, out.Reach, out.Change, out.Gone, delta.Revision})
	if err != nil {
		t.Fatal(err)
	}
	return text.String() + string(rest)
}

// wantRoom: no host has given away more than it has, a fixed port twice, or a
// place that a constraint forbids.
func (r *random) wantRoom() {
	r.t.Helper()
	memory, fixed, global := map[string]int64{}, map[string]string{}, map[string]string{}
	for _, id := range sorted(r.s.Instances, byText) {
		in := r.s.Instances[id]
		s := r.s.Services[in.Service]
		if s == nil || in.Lost {
			continue
		}
		spec := s.Versions[in.Version].Spec
		if memory[in.Host] += placement.Reserved(spec.Resources); memory[in.Host] > r.s.Hosts[in.Host].Facts.Memory {
			r.t.Fatalf("%s is overcommitted: %d MiB", in.Host, memory[in.Host]>>20)
		}
		if len(spec.FixedPorts()) > 0 {
			if other := fixed[in.Host]; other != "" {
				r.t.Fatalf("%s and %s have the same port of %s", other, id, in.Host)
			}
			fixed[in.Host] = id
		}
		if s.Asked.Mode == fleet.ModeGlobal && in.Goal == fleet.GoalRun && in.Version == s.Version && in.Born >= max(s.Restarted, s.RestartedOn[in.Host]) {
			if other := global[in.Host]; other != "" {
				r.t.Fatalf("%s has %s and %s of one global service", in.Host, other, id)
			}
			global[in.Host] = id
		}
		takenIn := func(e fleet.Event) bool { return e.ID == in.Cause && e.Type == fleet.EventInstanceAdopted }
		if in.Born == r.s.Revision && !slices.ContainsFunc(r.events, takenIn) && !suits(r.s.Hosts[in.Host], in.Host, s.Asked.Constraints) {
			r.t.Fatalf("%s is placed against %v", in, s.Asked.Constraints)
		}
	}
}

// wantBarrier: what is asked to stop was let go of by every balancer that was
// ever sent it.
func (r *random) wantBarrier() {
	r.t.Helper()
	for _, in := range r.s.Instances {
		for key := range in.Sent {
			if in.Goal == fleet.GoalStop && in.Released[key] == "" {
				r.t.Fatalf("%s is to stop, and %s hasn't let go of it", in, key)
			}
		}
	}
}

// wantHome: an instance that has data is placed where the data of its slot is,
// unless somebody gave that up.
func (r *random) wantHome() {
	r.t.Helper()
	for _, id := range sorted(r.s.Instances, byText) {
		in := r.s.Instances[id]
		if in.Service != db || r.seen[id] {
			continue
		}
		if home := r.homes[in.Slot]; home != "" && home != in.Host {
			r.t.Fatalf("slot %d moved from %s to %s", in.Slot, home, in.Host)
		}
		r.seen[id], r.homes[in.Slot] = true, in.Host
	}
}

// wantValues: every value is kept that something may need, no other is, and a host is
// sent those of what is to run there, and no others.
func (r *random) wantValues() {
	r.t.Helper()
	needs := map[string]bool{}
	for key, s := range r.s.Services {
		for _, v := range s.Versions {
			for _, m := range v.Spec.Secrets {
				needs[fleet.SecretRef(fleet.SecretKey{Project: key.Project, Name: m.Name}, m.Revision)] = true
			}
		}
	}
	for key, s := range r.s.Secrets {
		for number := range s.Values {
			if number != s.Revision && !needs[fleet.SecretRef(key, number)] {
				r.t.Fatalf("nobody needs revision %d of %s", number, key)
			}
		}
	}
	for _, in := range r.s.Instances {
		if s := r.s.Services[in.Service]; s != nil && in.Goal == fleet.GoalRun {
			v := s.Versions[in.Version]
			if refs := begin(r.s, r.now).lost(in.Service.Project, &v.Spec); len(refs) > 0 {
				r.t.Fatalf("%s needs %v, which isn't kept", in, refs)
			}
		}
	}
	for id, h := range r.s.Hosts {
		d, want := begin(r.s, r.now).desired(h), map[string]bool{}
		for _, as := range d.Instances {
			if as.Goal == fleet.GoalRun {
				spec := d.Versions[fleet.VersionKey(as.Service, as.Version)]
				for _, m := range spec.Secrets {
					want[fleet.SecretRef(fleet.SecretKey{Project: as.Service.Project, Name: m.Name}, m.Revision)] = true
				}
			}
		}
		for ref, text := range d.Secrets {
			if !want[ref] || !strings.HasPrefix(text, h.Facts.SecretsKey+"|") {
				r.t.Fatalf("%s is sent %s: %s", id, ref, text)
			}
		}
		if len(d.Secrets) != len(want) {
			r.t.Fatalf("%s is sent %v, and needs %v", id, d.Secrets, want)
		}
	}
}

// wantStored: the state made anew from what was committed is the one in
// memory.
func (r *random) wantStored() {
	r.t.Helper()
	again := r.reloaded()
	for _, tables := range [][2]any{
		{r.s.Services, again.Services}, {r.s.Instances, again.Instances}, {r.s.Hosts, again.Hosts}, {balancersByText(r.s), balancersByText(again)},
		{poolsByText(r.s), poolsByText(again)}, {r.s.Homes, again.Homes}, {r.s.Results, again.Results}, {r.s.Documents, again.Documents},
		{r.s.Secrets, again.Secrets}, {r.s.Registries, again.Registries},
		{r.s.Left, again.Left}, {r.s.leaving, again.leaving},
	} {
		if a, b := string(mustJSON(tables[0])), string(mustJSON(tables[1])); a != b {
			r.t.Fatalf("in memory %s\nin the store %s", a, b)
		}
	}
	if !maps.EqualFunc(r.s.byHost, again.byHost, maps.Equal) || !maps.EqualFunc(r.s.byService, again.byService, maps.Equal) {
		r.t.Fatalf("in memory %v %v\nin the store %v %v", r.s.byHost, r.s.byService, again.byHost, again.byService)
	}
}

// wantPublished: what a hub that starts now would publish is what was.
func (r *random) wantPublished() {
	r.t.Helper()
	for id, h := range r.s.Hosts {
		if raw := mustJSON(begin(r.s, r.now).desired(h)); h.Desired != 0 && wire.Sum(raw) != h.Sum {
			r.t.Fatalf("%s was asked for something else than %s", id, raw)
		}
	}
	for _, p := range Boot(r.s) {
		host, leaf, _, ok := wire.HostTopic(p.Topic)
		if !ok || leaf != wire.LeafDesired {
			continue
		}
		if env, err := wire.Open(p.Payload, nil); err != nil || env.Sum != r.s.Hosts[host].Sum {
			r.t.Fatalf("after a restart %s is published at generation %d, with another content: %s, %v", p.Topic, env.Generation, env.Body, err)
		}
	}
}

func balancersByText(s *State) map[string]*Balancer {
	out := map[string]*Balancer{}
	for key, b := range s.Balancers {
		out[key.String()] = b
	}
	return out
}

func poolsByText(s *State) map[string]*Published {
	out := map[string]*Published{}
	for key, p := range s.Pools {
		out[key.String()] = p
	}
	return out
}

// wantNothingMore: after a turn there is nothing left to do for another one at
// the same moment that hears nothing new.
func (r *random) wantNothingMore(inputs ...Input) {
	r.t.Helper()
	r.step(inputs...)
	delta, out := Step(r.s, inputs, r.now)
	if delta.Stored() || len(out.Publish) > 0 {
		r.t.Fatalf("and once more: %s", said(r.t, delta, out))
	}
}

// wantRest: every service is as it was asked for, or says why it can't be; and
// then nothing changes any more, whatever time passes.
func (r *random) wantRest() {
	r.t.Helper()
	for _, s := range r.view().Services("") {
		if s.State != fleet.ServiceConverged && s.State != fleet.ServiceHeld && s.State != fleet.ServiceStopped {
			r.t.Fatalf("%s is %s: %v", s.Key, s.State, s.Reasons)
		}
	}
	for _, in := range r.s.Instances {
		if s := r.s.Services[in.Service]; s != nil && in.Goal == fleet.GoalRun && (s.Stopped || s.stoppedOn(in.Host)) {
			r.t.Fatalf("%s runs, and the service is stopped there", in)
		}
	}
	revision := r.s.Revision
	r.stepped = func(_ []Input, delta *Delta, out Outputs) {
		for _, p := range out.Publish {
			if !strings.HasSuffix(p.Topic, "/"+wire.LeafAck) {
				r.t.Fatalf("at rest, and yet %s is published: %s", p.Topic, p.Payload)
			}
		}
	}
	r.pass(10 * time.Second)
	if r.s.Revision != revision {
		r.t.Fatalf("at rest, and yet revision %d became %d: %+v", revision, r.s.Revision, r.events[len(r.events)-1])
	}
}
