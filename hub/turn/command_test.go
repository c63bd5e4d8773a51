package turn

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/shared/fleet"
)

func TestRefusedOrdersChangeNothing(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	other := webService(1, "web:1")
	other.Key.Name = "other"
	job := fleet.Service{Key: fleet.ServiceKey{Project: "shop", Name: "job"}, Mode: fleet.ModeJob, CountStated: true, Spec: fleet.Spec{Image: "web:1"}}
	w.apply(job)
	askew := webService(1, "web:1")
	askew.Rollout = &fleet.RolloutSpec{Strategy: "sideways"}
	for _, test := range []struct {
		name string
		c    fleet.Command
		code string
		says string
	}{
		{"unknown service", fleet.Command{Do: fleet.DoScale, Service: fleet.ServiceKey{Project: "shop", Name: "none"}, Count: 1}, fleet.CodeNotFound, "no service shop/none"},
		{"stale generation", fleet.Command{Do: fleet.DoScale, Service: web, Count: 2, IfMatch: 1}, fleet.CodePrecondition, "somebody changed it"},
		{"too many", fleet.Command{Do: fleet.DoScale, Service: web, Count: 10_001}, fleet.CodeInvalid, "between 0 and 10000"},
		{"more of a job", fleet.Command{Do: fleet.DoScale, Service: job.Key, Count: 1}, fleet.CodeConflict, "is a one-shot service"},
		{"unknown strategy", fleet.Command{Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{askew}}, fleet.CodeInvalid, `services.web: rollout.strategy: "sideways" is not known`},
		{"unknown host", fleet.Command{Do: fleet.DoHostDrain, Host: "web9"}, fleet.CodeNotFound, "web9"},
		{"a host that is up isn't dead", fleet.Command{Do: fleet.DoHostFail, Host: "web1"}, fleet.CodeConflict, "is up"},
		{"unknown balancer", fleet.Command{Do: fleet.DoBalancerForget, Balancer: fleet.BalancerKey{Host: "web9", Name: "x"}}, fleet.CodeNotFound, "web9/x"},
		{"listener taken", fleet.Command{Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{other}}, fleet.CodeConflict, "belongs to shop/web"},
		{"unknown order", fleet.Command{Do: "dance"}, fleet.CodeInvalid, "dance"},
	} {
		t.Run(test.name, func(t *testing.T) {
			revision := w.s.Revision
			reply := w.order(test.c)
			if code := fleet.CodeOf(reply.Err); code != test.code || !strings.Contains(reply.Err.Error(), test.says) {
				t.Errorf("got %v", reply.Err)
			}
			if w.s.Revision != revision {
				t.Error("something was changed")
			}
		})
	}
}

// repeats says whether a reply is a former one again, and says so.
func repeats(reply, former Reply) bool {
	return reply.Repeat && !former.Repeat && reply.Err == nil && reflect.DeepEqual(reply.Result, former.Result)
}

func TestRepeatedCommandHasOneEffect(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.apply(webService(1, "web:1"))
	restart := fleet.Command{ID: "once", Do: fleet.DoRestart, Service: web}
	first := w.step(CommandIn{restart}).Replies[0]
	again := w.step(CommandIn{restart}).Replies[0]
	if !repeats(again, first) || first.Err != nil {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if w.s.Services[web].Restarted != first.Result.Revision {
		t.Error("the repeat restarted again")
	}
	other := fleet.Command{ID: "once", Do: fleet.DoScale, Service: web, Count: 3}
	if reply := w.step(CommandIn{other}).Replies[0]; fleet.CodeOf(reply.Err) != fleet.CodeInvalid {
		t.Errorf("another order under the same key: %+v", reply)
	}
	w.restart()
	if kept := w.step(CommandIn{restart}).Replies[0]; !repeats(kept, first) {
		t.Errorf("after the hub's restart: %+v", kept)
	}
}

// TestComparingWritesNothing: what stands is the base, and stays as it is.
func TestComparingWritesNothing(t *testing.T) {
	w := newWorld(t, "web1").join()
	s := webService(1, "web:1")
	w.apply(s)
	stands := []int{9090, 80}
	w.s.Services[web].NamePorts = stands
	Step(w.s, []Input{CommandIn{fleet.Command{Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{s}}}}, w.now)
	if !slices.Equal(stands, []int{9090, 80}) {
		t.Errorf("the names' ports are %v now", stands)
	}
}

// TestARepeatOfWhatHadNothingToChange: by then there would be something.
func TestARepeatOfWhatHadNothingToChange(t *testing.T) {
	w := newWorld(t, "web1").join()
	w.apply(webService(3, "web:1"))
	w.pass(3 * time.Second)
	scale := fleet.Command{ID: "once", Do: fleet.DoScale, Service: web, Count: 3}
	first := w.step(CommandIn{scale}).Replies[0]
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.restart()
	if again := w.step(CommandIn{scale}).Replies[0]; first.Err != nil || first.Result.Changed || !repeats(again, first) {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if n := w.s.Services[web].Asked.Count; n != 1 {
		t.Errorf("the repeat scaled to %d", n)
	}
}

// TestWhatIsNotRemembered: neither a dry run nor what was refused.
func TestWhatIsNotRemembered(t *testing.T) {
	w := newWorld(t, "web1").join()
	apply := fleet.Command{ID: "once", Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{webService(1, "web:1")}, DryRun: true}
	if reply := w.step(CommandIn{apply}).Replies[0]; reply.Err != nil || len(w.s.Results) > 0 {
		t.Errorf("%+v; %d answers are kept", reply, len(w.s.Results))
	}
	scale := fleet.Command{ID: "twice", Do: fleet.DoScale, Service: web, Count: 2}
	if reply := w.step(CommandIn{scale}).Replies[0]; fleet.CodeOf(reply.Err) != fleet.CodeNotFound {
		t.Errorf("%+v", reply)
	}
	apply.DryRun = false
	for _, c := range []fleet.Command{apply, scale} {
		if reply := w.step(CommandIn{c}).Replies[0]; reply.Err != nil || !reply.Result.Changed {
			t.Errorf("%s: %+v", c.Do, reply)
		}
	}
}

func TestRestartReplacesEachOnce(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	before := map[string]bool{}
	for id := range w.s.Instances {
		before[id] = true
	}
	w.order(fleet.Command{Do: fleet.DoRestart, Service: web})
	for range 15 {
		w.pass(time.Second)
		if v := w.service(); v.Ready < 2 {
			t.Fatalf("fell to %d ready", v.Ready)
		}
	}
	for _, in := range w.wantState(fleet.ServiceConverged).Instances {
		if before[in.ID] || in.Version != 1 {
			t.Errorf("%+v", in)
		}
	}
}

func TestGlobalRunsOnEveryEligibleHost(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3").join()
	s := webService(0, "web:1")
	s.Mode, s.Balancing = fleet.ModeGlobal, nil
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Value: "web3"}}
	w.apply(s)
	w.pass(4 * time.Second)
	if spread := w.spread(); len(spread) != 2 || spread["web1"] != 1 || spread["web2"] != 1 {
		t.Fatalf("spread %v", spread)
	}
	w.order(fleet.Command{Do: fleet.DoHostDrain, Host: "web2"})
	w.pass(4 * time.Second)
	if spread := w.spread(); len(spread) != 1 {
		t.Fatalf("spread %v", spread)
	}
	w.wantState(fleet.ServiceConverged)
	s.Spec.Image = "web:2"
	w.order(fleet.Command{Do: fleet.DoHostActivate, Host: "web2"})
	w.apply(s)
	w.pass(10 * time.Second)
	for _, in := range w.wantState(fleet.ServiceConverged).Instances {
		if in.Version != 2 {
			t.Errorf("%s has version %d", in.ID, in.Version)
		}
	}
}

func TestFrozenServiceIsLeftAlone(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoFreeze, Service: web})
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 5})
	w.pass(10 * time.Second)
	if len(w.s.Instances) != 2 {
		t.Errorf("%d instances", len(w.s.Instances))
	}
	if d := w.hosts["web1"].desired; len(d.FrozenServices) != 1 {
		t.Errorf("the host isn't told: %+v", d)
	}
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.pass(5 * time.Second)
	if len(w.s.Instances) != 5 {
		t.Errorf("%d instances", len(w.s.Instances))
	}
}

// A removal that a freeze holds up says so.
func TestAFrozenRemovalSaysWhatItWaitsFor(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].drained = false
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.order(fleet.Command{Do: fleet.DoFreeze, Service: web})
	w.hosts["web1"].drained = true
	w.pass(5 * time.Second)
	if v := w.wantState(fleet.ServiceRemoving); len(v.Reasons) != 1 || !strings.Contains(v.Reasons[0], "muster unfreeze shop/web") {
		t.Errorf("reasons %q", v.Reasons)
	}
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
	w.pass(10 * time.Second)
	if len(w.s.Services) != 0 {
		t.Errorf("it is still there: %v", w.service().Reasons)
	}
}

// What was given up on a lost host doesn't go, once the host is back frozen.
func TestARemovalThatAFrozenHostHoldsUpIsTold(t *testing.T) {
	w := newWorld(t, "web1").withBalancer("web1").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	w.order(fleet.Command{Do: fleet.DoFreeze, Host: "web1"})
	w.hosts["web1"].cut = true
	w.pass(time.Minute)
	w.order(fleet.Command{Do: fleet.DoHostFail, Host: "web1"})
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.hosts["web1"].cut = false
	w.pass(10 * time.Second)
	w.wantState(fleet.ServiceRemoving)
	w.wantReason("stays as it is: web1 is frozen (muster unfreeze host:web1)")
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Host: "web1"})
	w.pass(10 * time.Second)
	if w.s.Services[web] != nil {
		t.Errorf("it is still there: %v", w.service().Reasons)
	}
}

func TestEnvironmentIsNeverShown(t *testing.T) {
	w := newWorld(t, "web1").join()
	s := webService(1, "web:1")
	s.Spec.Environment = map[string]string{"PASSWORD": "hunter2"}
	w.apply(s)
	s.Spec.Environment = map[string]string{"PASSWORD": "hunter3"}
	reply := w.apply(s)
	text := fmt.Sprintf("%+v %s %+v", reply.Result.Plan, mustJSON(w.service()), w.events)
	if strings.Contains(text, "hunter") {
		t.Errorf("a value is shown: %s", text)
	}
	if fields := reply.Result.Plan.Services[0].Fields; len(fields) != 1 || fields[0].Path != "spec.environment.PASSWORD" {
		t.Errorf("fields %+v", fields)
	}
}

// A delta that isn't folded leaves no trace, and the same input gives the
// same bytes.
func TestStepIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, "web1", "web2", "web3").withBalancer("web1").join()
		for range rapid.IntRange(1, 8).Draw(rt, "orders") {
			c := draw(rt)
			inputs := []Input{CommandIn{c}, Tick{}}
			before := fingerprint(w)
			first, out1 := Step(w.s, inputs, w.now)
			second, out2 := Step(w.s, inputs, w.now)
			if !bytes.Equal(before, fingerprint(w)) {
				rt.Fatal("Step changed the state")
			}
			rows1, _ := first.Rows()
			rows2, _ := second.Rows()
			if !reflect.DeepEqual(rows1, rows2) || !reflect.DeepEqual(out1, out2) {
				rt.Fatalf("two outcomes of %+v", c)
			}
			w.step(inputs...)
			w.pass(time.Duration(rapid.IntRange(0, 6).Draw(rt, "seconds")) * time.Second)
		}
		for _, id := range []string{"web1", "web2", "web3"} {
			w.order(fleet.Command{Do: fleet.DoHostActivate, Host: id})
		}
		w.order(fleet.Command{Do: fleet.DoUnfreeze, Service: web})
		w.pass(90 * time.Second)
		for _, v := range w.view().Services("") {
			if v.State != fleet.ServiceConverged {
				rt.Fatalf("%s is %s: %v", v.Key, v.State, v.Reasons)
			}
		}
		revision := w.s.Revision
		w.pass(10 * time.Second)
		if w.s.Revision != revision {
			rt.Fatalf("converged, and yet revision %d became %d", revision, w.s.Revision)
		}
	})
}

func draw(rt *rapid.T) fleet.Command {
	id := fmt.Sprint(rapid.Uint64().Draw(rt, "id"))
	host := rapid.SampledFrom([]string{"web1", "web2", "web3"}).Draw(rt, "host")
	count := rapid.IntRange(0, 6).Draw(rt, "count")
	image := rapid.SampledFrom([]string{"web:1", "web:2"}).Draw(rt, "image")
	return rapid.SampledFrom([]fleet.Command{
		{ID: id, Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{webService(count, image)}},
		{ID: id, Do: fleet.DoScale, Service: web, Count: count},
		{ID: id, Do: fleet.DoRestart, Service: web},
		{ID: id, Do: fleet.DoRemove, Service: web},
		{ID: id, Do: fleet.DoFreeze, Service: web},
		{ID: id, Do: fleet.DoUnfreeze, Service: web},
		{ID: id, Do: fleet.DoHostDrain, Host: host},
		{ID: id, Do: fleet.DoHostActivate, Host: host},
	}).Draw(rt, "order")
}

// fingerprint is everything that is stored, as bytes.
func fingerprint(w *world) []byte {
	var out bytes.Buffer
	for _, table := range []any{w.s.Services, w.s.Instances, w.s.Hosts, w.s.Balancers, w.s.Homes, w.s.Results} {
		out.Write(mustJSON(table))
	}
	for _, key := range sorted(w.s.Pools, PoolKey.less) {
		out.Write(mustJSON(w.s.Pools[key]))
	}
	return out.Bytes()
}
