package turn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

func (w *world) foreseen(services ...fleet.Service) *fleet.Plan {
	w.t.Helper()
	reply := w.order(fleet.Command{Do: fleet.DoApply, Project: "shop", Services: services, DryRun: true, Prune: true})
	if reply.Err != nil {
		w.t.Fatal(reply.Err)
	}
	return reply.Result.Plan
}

func movesText(moves []fleet.Move) string {
	var lines []string
	for _, m := range moves {
		lines = append(lines, fmt.Sprintf("%s %s %s>%s: %s", m.Action, m.Service.Name, m.From, m.To, m.Why))
	}
	return strings.Join(lines, "\n")
}

func TestAPlanSaysWhatBecomesOfInstances(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
	first := w.foreseen(webService(3, "web:1"))
	if got, want := movesText(first.Moves), "start web >web1: it is new\nstart web >web2: it is new\nstart web >web3: it is new"; got != want {
		t.Errorf("first: %s", got)
	}
	w.apply(webService(3, "web:1"))
	w.pass(10 * time.Second)
	for name, test := range map[string]struct {
		change func(s *fleet.Service)
		want   string
	}{
		"nothing": {func(*fleet.Service) {}, ""},
		"version": {func(s *fleet.Service) { s.Spec.Image = "web:2" }, "replace web web1>web1: version 2 replaces 1\nreplace web web2>web2: version 2 replaces 1\nreplace web web3>web3: version 2 replaces 1"},
		"more":    {func(s *fleet.Service) { s.Count = 4 }, "start web >web1: more are asked for"},
		"fewer":   {func(s *fleet.Service) { s.Count = 2 }, "stop web web3>: one fewer is wanted"},
		"elsewhere": {func(s *fleet.Service) {
			s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Value: "web2"}}
		}, "move web web2>web1: its host doesn't suit it any more"},
	} {
		s := webService(3, "web:1")
		test.change(&s)
		if plan := w.foreseen(s); movesText(plan.Moves) != test.want || len(plan.Held) > 0 {
			t.Errorf("%s: %s (%v)", name, movesText(plan.Moves), plan.Held)
		}
	}
	if plan := w.order(fleet.Command{Do: fleet.DoApply, Project: "shop", DryRun: true, Prune: true}).Result.Plan; movesText(plan.Moves) != strings.Join([]string{
		"stop web web1>: the service is removed", "stop web web2>: the service is removed", "stop web web3>: the service is removed",
	}, "\n") {
		t.Errorf("pruned: %s", movesText(plan.Moves))
	}
	big := webService(2, "web:1")
	big.Spec.Generic = []fleet.GenericResource{{Kind: "gpu", Count: 1}}
	if plan := w.foreseen(big); len(plan.Held) == 0 || !strings.Contains(plan.Held[0], "no host has gpu (an agent announces it by --resource gpu=1)") {
		t.Errorf("held: %v", plan.Held)
	}
}

// A hub that has just started has heard no balancer, and plans all the same.
func TestAPlanOfAHubThatHasHeardNobody(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(10 * time.Second)
	w.restart()
	w.foreseen(webService(3, "web:2"))
}

// TestAPlanComesTrue: what a dry run says of one service of a fleet at rest is what
// the apply does. While one replaces another, hosts that are as good may take turns.
func TestAPlanComesTrue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hosts := manyHosts(rapid.IntRange(1, 4).Draw(t, "hosts"))
		w := withSecrets(t, hosts...).withBalancer("web0")
		for i, id := range hosts {
			w.hosts[id].facts.Labels = map[string]string{"tier": []string{"web", "db"}[i%2]}
		}
		w.join()
		w.setSecret("db", "one")
		services := someServices(t)
		w.apply(services...)
		w.pass(40 * time.Second)
		key := rapid.SampledFrom(keys).Draw(t, "changes")
		at := slices.IndexFunc(services, func(s fleet.Service) bool { return s.Key == key })
		switch next := someService(t, key); {
		case at < 0:
			services = append(services, next)
		case rapid.IntRange(0, 4).Draw(t, "stays") == 0:
			services = slices.Delete(services, at, at+1)
		default: // with another version and another count, it matters when a rollout gets to which
			if rapid.Bool().Draw(t, "only the version") {
				next.Count = services[at].Count
			} else {
				next.Spec = services[at].Spec
			}
			services[at] = next
		}
		before := w.where(key)
		dry := w.order(fleet.Command{Do: fleet.DoApply, Project: "shop", Services: services, DryRun: true, Prune: true})
		if dry.Err != nil || len(dry.Result.Plan.Held) > 0 { // what it depends on may be taken out
			return
		}
		plan := dry.Result.Plan
		w.order(fleet.Command{Do: fleet.DoApply, Project: "shop", Services: services, Prune: true})
		w.pass(2 * time.Minute)
		if v, found := w.view().Service(key); found && v.State != fleet.ServiceConverged {
			return // a rollout takes its time, or has something against it
		}
		hostsOf := func(instances map[string]string) (hosts []string) {
			for _, host := range instances {
				hosts = append(hosts, host)
			}
			slices.Sort(hosts)
			return hosts
		}
		now, come := w.where(key), []string{}
		foreseen := maps.Clone(before)
		for _, m := range plan.Moves {
			delete(foreseen, m.Instance)
			if m.To != "" {
				come = append(come, m.To)
			}
		}
		for id := range foreseen {
			if now[id] == "" {
				t.Errorf("%s was to stay:\n%s", id, movesText(plan.Moves))
			}
		}
		for i, host := range come {
			foreseen[fmt.Sprint("new ", i)] = host
		}
		replaces := slices.ContainsFunc(plan.Moves, func(m fleet.Move) bool { return m.Action == fleet.MoveReplace || m.Action == fleet.MoveMove })
		if len(foreseen) != len(now) || !replaces && !slices.Equal(hostsOf(foreseen), hostsOf(now)) {
			t.Errorf("from %v to %v, and the plan was\n%s", before, now, movesText(plan.Moves))
		}
	})
}

// where are the instances of a service that are to run.
func (w *world) where(key fleet.ServiceKey) map[string]string {
	out := map[string]string{}
	for id, in := range w.s.Instances {
		if in.Service == key && in.Goal == fleet.GoalRun {
			out[id] = in.Host
		}
	}
	return out
}

func TestExplain(t *testing.T) {
	w := lopsided(t, 4)
	var id string
	for _, in := range w.s.Instances {
		if in.Host == "web1" {
			id = max(id, in.ID)
		}
	}
	e, found := w.view().ExplainInstance(id)
	if !found || e.Verdict != "it would be placed on web3 now (web1 has 2 of it, web3 0): muster rebalance shop/web moves it" {
		t.Errorf("%+v", e)
	}
	if len(e.Hosts) != 3 || e.Hosts[0].Host != "web3" || e.Hosts[0].Siblings != 0 || !e.Hosts[1].Here || len(e.Pools) != 1 || e.Pools[0] != "web1/haproxy: ready, check passing" {
		t.Errorf("%+v", e)
	}
	w.order(fleet.Command{Do: fleet.DoHostMaintenance, Host: "web3", Reason: "disk swap"})
	if e, _ = w.view().ExplainInstance(id); e.Verdict != "it would be placed on web1 again" || e.Hosts[2].Refusal != "is in maintenance (disk swap)" {
		t.Errorf("%+v", e)
	}
	if e, _ = w.view().ExplainService(web, 0); e.Verdict != "one more would be placed on web1" {
		t.Errorf("%+v", e)
	}
	picky := webService(4, "web:1")
	picky.Constraints = []fleet.Constraint{{Label: "disk", Equal: true, Value: "fast"}}
	w.apply(picky)
	w.pass(5 * time.Second)
	if e, _ = w.view().ExplainService(web, 5); !strings.HasPrefix(e.Verdict, "slot 5 can't be placed: web1: needs label disk=fast; web2:") {
		t.Errorf("%+v", e)
	}
	if e, _ = w.view().ExplainInstance(id); !strings.Contains(e.Verdict, "which would not be given it now (needs label disk=fast); nor could any other host have it") {
		t.Errorf("%+v", e)
	}
	if _, found = w.view().ExplainInstance("nobody"); found {
		t.Error("nobody is explained")
	}
}

// One-shot services have ended well in a plan, so that it says where those go that
// come after them; and it names those that restart after what it replaces.
func TestAPlanGoesThroughTheOrder(t *testing.T) {
	w := ordering(t, "web1", "web2")
	restarts := on("db", fleet.ConditionHealthy)
	restarts.Restart = true
	chain := func(db string) []fleet.Service {
		return []fleet.Service{
			lone("db", db), oneShot("migrate", "migrate:1", on("db", fleet.ConditionHealthy)),
			lone("web", "web:1", restarts, on("migrate", fleet.ConditionCompleted)),
		}
	}
	plan := w.foreseen(chain("db:1")...)
	if got, want := movesText(plan.Moves), "start db >web1: it is new\nstart migrate >web2: it is new\nstart web >web1: it is new"; got != want || len(plan.Held) > 0 {
		t.Errorf("%s (%v)", got, plan.Held)
	}
	w.take(chain("db:1")...)
	w.comes("migrate")
	w.endsWith("migrate", 0)
	w.comes("web")
	w.pass(10 * time.Second)
	plan = w.foreseen(chain("db:2")...)
	if got := strings.Join(plan.Warnings, "; "); !strings.Contains(got, "shop/web restarts once shop/db has been replaced") || len(plan.Held) > 0 {
		t.Errorf("%s (%v)", got, plan.Held)
	}
}
