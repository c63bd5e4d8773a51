package turn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/hub/placement"
	"github.com/musterhq/muster/shared/fleet"
)

// lopsided has all of web on two of three hosts: the third has just come.
func lopsided(t tester, count int) *world {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(count, "web:1"))
	w.pass(10 * time.Second)
	w.add("web3")
	w.pass(30 * time.Second)
	return w
}

func TestRebalanceMovesOneAfterAnother(t *testing.T) {
	w := lopsided(t, 6)
	if spread := w.spread(); spread["web3"] != 0 {
		t.Fatalf("something moves by itself: %v", spread)
	}
	dry := w.order(fleet.Command{Do: fleet.DoRebalance, DryRun: true})
	if dry.Err != nil || dry.Result.Changed || len(dry.Result.Plan.Moves) != 2 {
		t.Fatalf("dry run: %+v %+v", dry, dry.Result.Plan)
	}
	m := dry.Result.Plan.Moves[0]
	if m.To != "web3" || m.Action != fleet.MoveMove || m.Why != m.From+" has 3 of it, web3 0" {
		t.Errorf("first move: %+v", m)
	}
	least, most := 6, 6
	w.folded = func() {
		serving, running := 0, 0
		for _, in := range w.s.Instances {
			if in.Goal == fleet.GoalRun {
				if running++; in.Ready {
					serving++
				}
			}
		}
		least, most = min(least, serving), max(most, running)
	}
	reply := w.order(fleet.Command{Do: fleet.DoRebalance, Service: web, Plan: dry.Result.Plan.Sum})
	if reply.Err != nil || !reply.Result.Changed {
		t.Fatalf("%+v", reply)
	}
	if reasons := w.service().Reasons; len(reasons) == 0 || !strings.HasPrefix(reasons[0], "it is rebalanced: instance ") {
		t.Errorf("nobody says what goes on: %v", reasons)
	}
	w.pass(time.Minute)
	if spread := w.spread(); spread["web1"] != 2 || spread["web2"] != 2 || spread["web3"] != 2 {
		t.Fatalf("spread %v", spread)
	}
	if least < 6 || most > 7 {
		t.Errorf("between %d that serve and %d that run", least, most)
	}
	w.wantState(fleet.ServiceConverged)
	if ended := w.said(fleet.EventRebalanceEnded); len(ended) != 1 || ended[0] != "shop/web is rebalanced: 2 moved" {
		t.Errorf("%v", ended)
	}
	if again := w.order(fleet.Command{Do: fleet.DoRebalance}); again.Result.Changed || len(again.Result.Plan.Moves) > 0 {
		t.Errorf("again: %+v", again.Result.Plan)
	}
}

func TestAnotherPlanIsNotAgreedTo(t *testing.T) {
	w := lopsided(t, 6)
	dry := w.order(fleet.Command{Do: fleet.DoRebalance, DryRun: true})
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 7})
	w.pass(10 * time.Second)
	reply := w.order(fleet.Command{Do: fleet.DoRebalance, Plan: dry.Result.Plan.Sum})
	if fleet.CodeOf(reply.Err) != fleet.CodePrecondition {
		t.Errorf("%+v", reply)
	}
}

// Whoever changes the service while it is rebalanced has the last word.
func TestAnOrderEndsARebalance(t *testing.T) {
	for name, order := range map[string]fleet.Command{
		"scale":   {Do: fleet.DoScale, Count: 5},
		"restart": {Do: fleet.DoRestart},
		"stop":    {Do: fleet.DoStop},
		"remove":  {Do: fleet.DoRemove},
	} {
		t.Run(name, func(t *testing.T) {
			w := lopsided(t, 6)
			w.order(fleet.Command{Do: fleet.DoRebalance})
			w.pass(2 * time.Second)
			order.Service = web
			if reply := w.order(order); reply.Err != nil {
				t.Fatal(reply.Err)
			}
			w.pass(time.Minute)
			s := w.s.Services[web]
			if name == "remove" {
				if s != nil || len(w.s.Instances) > 0 {
					t.Errorf("it is there: %+v", s)
				}
				return
			}
			if ended := w.said(fleet.EventRebalanceEnded); s.Rebalance != nil || len(ended) != 1 || !strings.Contains(ended[0], "somebody has changed it") {
				t.Errorf("%+v, %v", s.Rebalance, w.said(fleet.EventRebalanceEnded))
			}
			if n := len(w.s.Instances); n != w.service().Desired {
				t.Errorf("there are %d of %d", n, w.service().Desired)
			}
		})
	}
}

// What comes for another and never gets ready leaves again; the other stays.
func TestAMoveThatFailsIsTakenBack(t *testing.T) {
	w := lopsided(t, 6)
	w.hosts["web3"].lacks = map[string]string{}
	w.order(fleet.Command{Do: fleet.DoRebalance})
	added := ""
	for id, in := range w.s.Instances {
		if in.Host == "web3" {
			added = id
		}
	}
	w.hosts["web3"].unready[added] = true
	w.pass(6 * time.Minute)
	if spread := w.spread(); spread["web1"] != 3 || spread["web2"] != 3 || len(w.s.Instances) != 6 {
		t.Fatalf("spread %v", spread)
	}
	if ended := w.said(fleet.EventRebalanceEnded); len(ended) != 1 || !strings.Contains(ended[0], "isn't ready") {
		t.Errorf("%v", ended)
	}
}

func TestWhatDoesNotMove(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	data, port, global := webService(1, "db:1"), webService(1, "edge:1"), webService(0, "logs:1")
	data.Key, data.Balancing, data.Spec.Mounts = db, nil, []fleet.Mount{{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"}}
	port.Key, port.Balancing, port.Spec.Publish[0].HostPort = edge, nil, 8443
	global.Key, global.Balancing, global.Mode = logs, nil, fleet.ModeGlobal
	tied := webService(4, "web:1")
	tied.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web1"}}
	w.apply(data, port, global, tied)
	w.pass(10 * time.Second)
	w.add("web2")
	w.pass(30 * time.Second)
	reply := w.order(fleet.Command{Do: fleet.DoRebalance})
	if reply.Err != nil || reply.Result.Changed {
		t.Fatalf("%+v %+v", reply, reply.Result.Plan)
	}
	want := []string{
		"nothing of shop/db is moved: its data stays where it is",
		"nothing of shop/edge is moved: its instances stop before others start, so that moving one would be noticed (muster restart shop/edge places them anew)",
		"nothing of shop/logs is moved: it runs once on every eligible host",
	}
	if got := reply.Result.Plan.Warnings; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
}

// A restarted hub goes on where it was.
func TestARebalanceOutlivesTheHub(t *testing.T) {
	w := lopsided(t, 6)
	w.order(fleet.Command{Do: fleet.DoRebalance})
	w.pass(3 * time.Second)
	w.restart()
	w.pass(time.Minute)
	if spread := w.spread(); spread["web3"] != 2 {
		t.Errorf("spread %v", spread)
	}
	w.wantState(fleet.ServiceConverged)
}

// TestRebalancedIsBalanced: whatever the fleet is, what was rebalanced once has
// nothing more to move, and moving was worth it for each.
func TestRebalancedIsBalanced(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hosts := manyHosts(rapid.IntRange(1, 5).Draw(t, "hosts"))
		w := newWorld(t, hosts...)
		for i, id := range hosts {
			f := &w.hosts[id].facts
			f.CPUs = rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "cpus")
			f.Memory = int64(f.CPUs) << 30
			f.Labels = map[string]string{"zone": string(rune('a' + i%2))}
			if i > 0 {
				w.hosts[id].cut = rapid.Bool().Draw(t, "late")
			}
		}
		w.join()
		var services []fleet.Service
		for i := range rapid.IntRange(1, 3).Draw(t, "services") {
			s := webService(rapid.IntRange(0, 7).Draw(t, "count"), "web:1")
			s.Key.Name, s.Balancing = fmt.Sprintf("web%d", i), nil
			if rapid.Bool().Draw(t, "zones") {
				s.Spread = []string{"zone"}
			}
			if rapid.IntRange(0, 3).Draw(t, "most") == 0 {
				s.MostPerHost = 3
			}
			services = append(services, s)
		}
		w.apply(services...)
		w.pass(10 * time.Second)
		for _, h := range w.hosts {
			h.cut = false
		}
		w.pass(10 * time.Second)
		before := w.spread()
		w.pass(5 * time.Second)
		if now := w.spread(); fmt.Sprint(now) != fmt.Sprint(before) {
			t.Fatalf("from %v to %v by itself", before, now)
		}
		plan := w.order(fleet.Command{Do: fleet.DoRebalance}).Result.Plan
		w.pass(time.Duration(8+5*len(plan.Moves)) * time.Second)
		for _, s := range services {
			if v, _ := w.view().Service(s.Key); v.State != fleet.ServiceConverged && !strings.Contains(fmt.Sprint(v.Reasons), "no host may have more") {
				t.Fatalf("%s is %s: %v", s.Key, v.State, v.Reasons)
			}
		}
		if again := w.order(fleet.Command{Do: fleet.DoRebalance, DryRun: true}).Result.Plan; len(again.Moves) > 0 {
			t.Fatalf("%v were moved, and then %v", plan.Moves, again.Moves)
		}
	})
}

// A service that isn't replicated any more ends its rebalance, too, and holds up no
// other's.
func TestAnotherModeEndsARebalance(t *testing.T) {
	w := lopsided(t, 6)
	w.order(fleet.Command{Do: fleet.DoRebalance})
	w.pass(2 * time.Second)
	global := webService(0, "web:1")
	global.Mode = fleet.ModeGlobal
	if reply := w.apply(global); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(time.Minute)
	if r := w.s.Services[web].Rebalance; r != nil || len(w.said(fleet.EventRebalanceEnded)) != 1 {
		t.Errorf("%+v, %v", r, w.said(fleet.EventRebalanceEnded))
	}
}

// TestTheBestOfTheOthers: to know the two best hosts is as good as to look at all of
// them for each instance that could leave one.
func TestTheBestOfTheOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		need := placement.Need{Memory: int64(rapid.IntRange(0, 3).Draw(t, "needs")), MostPerHost: rapid.IntRange(0, 3).Draw(t, "most")}
		var hosts []placement.Host
		for i := range rapid.IntRange(1, 6).Draw(t, "hosts") {
			h := placement.Host{
				ID: fmt.Sprint("web", i), Memory: int64(rapid.IntRange(0, 8).Draw(t, "memory")), UsedMemory: int64(rapid.IntRange(0, 8).Draw(t, "used")),
				Siblings: rapid.IntRange(1, 4).Draw(t, "siblings"), Weight: rapid.SampledFrom([]float64{1, 2, 4}).Draw(t, "weight"),
			}
			h.Instances = h.Siblings + rapid.IntRange(0, 3).Draw(t, "others")
			if rapid.IntRange(0, 4).Draw(t, "barred") == 0 {
				h.Barred = "is drained"
			}
			hosts = append(hosts, h)
		}
		first, second := bestTwo(need, hosts, placement.Scores(need, hosts))
		for at := range hosts {
			there := first
			if there == at {
				there = second
			}
			want, why := better(need, hosts, at, -1, nil, placement.Score.Rank)
			if there < 0 {
				if want != "" {
					t.Fatalf("%d: nobody, want %s (%s)", at, want, why)
				}
				continue
			}
			if got, gotWhy := better(need, hosts, at, there, nil, placement.Score.Rank); got != want || gotWhy != why {
				t.Fatalf("%d: %s (%s), want %s (%s)", at, got, gotWhy, want, why)
			}
		}
	})
}

// What is too much to look through at once isn't looked through, and isn't said to be
// all right.
func TestARebalanceIsBounded(t *testing.T) {
	w := lopsided(t, 6)
	w.s.opts.MaxLooks = 5
	plan := w.order(fleet.Command{Do: fleet.DoRebalance, DryRun: true}).Result.Plan
	if len(plan.Moves) != 1 || plan.Left != 1 {
		t.Errorf("%+v", plan)
	}
	w.s.opts.MaxLooks = 0
	result := w.order(fleet.Command{Do: fleet.DoRebalance}).Result
	if result.Changed || len(result.Plan.Moves) > 0 || !strings.Contains(result.Message, "name a project or a service") {
		t.Errorf("%+v", result)
	}
}
