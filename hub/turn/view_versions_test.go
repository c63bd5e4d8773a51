package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/shared/fleet"
)

// threeVersions is a world whose web has had three versions and runs the last.
func threeVersions(t *testing.T) *world {
	w := newWorld(t, "web1").withBalancer("web1").join()
	s := webService(2, "web:1")
	s.Spec.Environment = map[string]string{"MODE": "hunter2", "OLD": "hunter3"}
	w.apply(s)
	w.pass(30 * time.Second)
	s = webService(2, "web:2")
	s.Spec.Environment = map[string]string{"MODE": "hunter4", "NEW": "hunter5"}
	w.apply(s)
	w.pass(time.Minute)
	s.Spec.User = "nobody"
	w.apply(s)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	return w
}

func TestVersionsAreToldNewestFirst(t *testing.T) {
	w := threeVersions(t)
	versions, found := w.view().Versions(web)
	if !found || len(versions) != 3 {
		t.Fatalf("%v %+v", found, versions)
	}
	for i, v := range versions {
		if v.Number != 3-i || v.Current != (i == 0) || v.Cause == "" || v.Created.IsZero() || v.Spec != nil {
			t.Errorf("%+v", v)
		}
		if want := []int{2, 0, 0}[i]; v.Instances != want {
			t.Errorf("version %d: %d instances, want %d", v.Number, v.Instances, want)
		}
	}
	if diff := cmp.Diff([]fleet.FieldChange{{Path: "spec.user", To: "nobody"}}, versions[0].Fields); diff != "" {
		t.Error(diff)
	}
	if versions[2].Fields != nil {
		t.Errorf("the first differs from nothing: %+v", versions[2].Fields)
	}
	if _, found := w.view().Versions(fleet.ServiceKey{Project: "shop", Name: "none"}); found {
		t.Error("there is no such service")
	}
	if text := string(mustJSON(versions)); strings.Contains(text, "hunter") {
		t.Errorf("a value is shown: %s", text)
	}
}

func TestOneVersionInFull(t *testing.T) {
	w := threeVersions(t)
	v, found := w.view().Version(web, 2)
	if !found || v.Spec == nil || v.Spec.Image != "web:2" || v.Spec.Environment["NEW"] != hidden {
		t.Fatalf("%v %+v", found, v)
	}
	if kept := w.s.Services[web].Versions[2].Spec.Environment["NEW"]; kept != "hunter5" {
		t.Errorf("reading it changed it to %q", kept)
	}
	for _, number := range []int{0, 4, -1} {
		if _, found := w.view().Version(web, number); found {
			t.Errorf("there is a version %d", number)
		}
	}
}

func TestDiffOfVersions(t *testing.T) {
	w := threeVersions(t)
	got, err := w.view().Diff(web, 1, 3)
	want := []fleet.FieldChange{
		{Path: "spec.environment.MODE", From: hidden, To: hidden},
		{Path: "spec.environment.NEW", To: hidden},
		{Path: "spec.environment.OLD", From: hidden},
		{Path: "spec.image", From: "web:1", To: "web:2"},
		{Path: "spec.user", To: "nobody"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if same, err := w.view().Diff(web, 2, 2); err != nil || len(same) > 0 {
		t.Errorf("%v %+v", err, same)
	}
	if _, err := w.view().Diff(web, 1, 9); fleet.CodeOf(err) != fleet.CodeNotFound || !strings.Contains(err.Error(), "version 9 of shop/web") {
		t.Errorf("%v", err)
	}
}

// The same name may stand for another image later: the pins tell.
func TestDiffOfPins(t *testing.T) {
	one := fleet.Version{Spec: fleet.Spec{Image: "web:1", Requires: []string{"probe-http"}}, Pin: "sha256:1"}
	two := fleet.Version{Spec: fleet.Spec{Image: "web:1"}, Pin: "sha256:2"}
	want := []fleet.FieldChange{{Path: "pin", From: "sha256:1", To: "sha256:2"}}
	if diff := cmp.Diff(want, diffVersions(one, two)); diff != "" {
		t.Error(diff)
	}
	two.Pin = ""
	if got := diffVersions(one, two); len(got) > 0 {
		t.Errorf("what isn't known yet differs: %+v", got)
	}
}

func TestARolloutIsToldWithBothItsVersions(t *testing.T) {
	w := threeVersions(t)
	s := w.s.Services[web]
	s.Rollout = nil
	if _, found := w.view().Rollout(web); found || w.service().Rollout != nil {
		t.Error("there was never one")
	}
	s.Rollout = &fleet.Rollout{ID: 7, From: 2, To: 3, State: fleet.RolloutSucceeded}
	got, found := w.view().Rollout(web)
	want := fleet.RolloutView{
		Service: web, Rollout: *s.Rollout, Weight: 100,
		Versions: []fleet.VersionUse{{Version: 2}, {Version: 3, Wanted: 2, Running: 2, Ready: 2, Weight: got.Versions[1].Weight}},
	}
	if diff := cmp.Diff(want, got); !found || diff != "" {
		t.Error(found, diff)
	}
	if got.Versions[1].Weight == 0 {
		t.Error("what has all traffic has no weight")
	}
	if r := w.service().Rollout; r == nil || r == s.Rollout {
		t.Errorf("the service's is %+v, not a copy to keep", r)
	}
}

func TestARolloutIsToldWithWhatIsCounted(t *testing.T) {
	w := threeVersions(t)
	served := w.now
	w.s.Services[web].Rollout = &fleet.Rollout{ID: 7, From: 2, To: 3, State: fleet.RolloutPromoting, Served: served}
	counts := func(requests, failed uint64) *fleet.Metrics {
		return &fleet.Metrics{Host: "web1", AgentStart: "a", Pools: []fleet.PoolMetrics{{Service: web, Balancer: "haproxy", Endpoints: []fleet.EndpointCounts{
			{Instance: "old", Version: 2, Requests: 2 * requests, AverageMS: 7}, {Instance: "new", Version: 3, Requests: requests, Failed: failed, AverageMS: 12},
		}}}}
	}
	before := counts(100, 1)
	w.s.windows[web] = &window{rollout: 7, since: served, hosts: map[string]counted{"web1": {agentStart: "a", counts: byEndpoint(before, web)}}}
	w.s.live["web1"].Metrics = counts(150, 4)
	got, _ := w.view().Rollout(web)
	from, to := got.Versions[0], got.Versions[1]
	if from.Requests != 100 || from.Failed != 0 || from.AverageMS != 7 || to.Requests != 50 || to.Failed != 3 || to.AverageMS != 12 {
		t.Errorf("from %+v, to %+v", from, to)
	}
	w.s.windows[web].rollout = 6 // of the rollout before
	if got, _ := w.view().Rollout(web); got.Versions[1].Requests != 0 {
		t.Errorf("%+v", got.Versions)
	}
}

// A host keeps the images of kept versions, for as long as they are kept.
func TestHostsKeepTheImagesOfKeptVersions(t *testing.T) {
	w := threeVersions(t)
	for number, pin := range map[int]string{1: "sha256:one", 2: ""} {
		v := w.s.Services[web].Versions[number]
		v.Pin = pin
		w.s.Services[web].Versions[number] = v
	}
	s := webService(2, "web:4")
	w.apply(s)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	if diff := cmp.Diff([]string{"sha256:1", "sha256:one", "web:2"}, w.hosts["web1"].desired.Keep); diff != "" {
		t.Error(diff)
	}
	s.Keep = 2
	w.apply(s)
	w.pass(time.Minute)
	if diff := cmp.Diff([]string{"sha256:1"}, w.hosts["web1"].desired.Keep); diff != "" {
		t.Error(diff)
	}
}

// A number is given once, though its version is gone back from and then forgotten,
// or its service is removed and comes again.
func TestANumberIsGivenOnce(t *testing.T) {
	for name, forget := range map[string]func(w *world){
		"forgotten": func(w *world) {
			few := webService(1, "web:1")
			few.Keep = 2
			w.apply(few)
		},
		"removed": func(w *world) { w.order(fleet.Command{Do: fleet.DoRemove, Service: web}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web1").withBalancer("web1").join()
			given := map[int]string{}
			w.folded = func() {
				if s := w.s.Services[web]; s != nil {
					for number, v := range s.Versions {
						if before := given[number]; before != "" && before != v.Spec.Image {
							t.Fatalf("version %d is %s, and was %s", number, v.Spec.Image, before)
						}
						given[number] = v.Spec.Image
					}
				}
			}
			for _, image := range []string{"web:1", "web:2", "web:3"} {
				w.apply(webService(1, image))
				w.pass(20 * time.Second)
			}
			for _, to := range []int{2, 1} {
				w.order(fleet.Command{Do: fleet.DoRollback, Service: web, Version: to})
				w.pass(20 * time.Second)
			}
			forget(w)
			w.pass(20 * time.Second)
			w.apply(webService(1, "web:4"))
			if v := w.service(); v.Version != 4 {
				t.Errorf("version %d", v.Version)
			}
		})
	}
}

// A host that has fetched an image for a rollout keeps it, though it runs nothing of
// the service any more.
func TestWhatARolloutFetchedIsKeptWhereNothingRuns(t *testing.T) {
	w := upgrading(t, nil)
	w.version(2, nil)
	w.until(fleet.RolloutSucceeded)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	w.pass(time.Minute)
	for id, h := range w.hosts {
		if len(h.desired.Keep) == 0 {
			t.Errorf("%s keeps nothing", id)
		}
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(time.Minute)
	for id, h := range w.hosts {
		if len(h.desired.Keep) > 0 {
			t.Errorf("the service is gone, and %s keeps %v", id, h.desired.Keep)
		}
	}
}
