package turn

import (
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// A version says what an agent has to know for it. Hosts whose agents don't
// are left out until they are upgraded.
func TestPlacementAvoidsAgentsThatLackAFeature(t *testing.T) {
	w := newWorld(t, "web1", "web2").join()
	s := webService(2, "web:1")
	s.Balancing = nil
	s.Spec.Mounts = []fleet.Mount{{Type: fleet.MountTmpfs, Target: "/run"}}
	w.apply(s)
	w.pass(2 * time.Second)
	v := w.wantState(fleet.ServiceHeld)
	want := "held: slot 1 can't be placed: web1: its agent doesn't know mount-tmpfs; upgrade it; web2: its agent doesn't know mount-tmpfs; upgrade it"
	if len(v.Reasons) == 0 || v.Reasons[0] != want {
		t.Fatalf("reasons %q", v.Reasons)
	}
	w.hosts["web2"].facts.Features = []string{fleet.FeatureMountTmpfs}
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	if spread := w.spread(); spread["web2"] != 2 {
		t.Errorf("placed %v", spread)
	}
	if requires := w.hosts["web2"].desired.Versions[fleet.VersionKey(web, 1)].Requires; !slices.Equal(requires, []string{fleet.FeatureMountTmpfs}) {
		t.Errorf("the agent isn't told what the version requires: %v", requires)
	}
}

// What a version requires follows from its content, and is no content: one
// that was stored without it is the same version still.
func TestRequirementsMakeNoNewVersion(t *testing.T) {
	w := newWorld(t, "web1").join()
	s := webService(1, "web:1")
	s.Spec.Resources.MemoryLimit = 1 << 20
	w.apply(s)
	w.pass(5 * time.Second)
	version := w.s.Services[web].Versions[1]
	if !slices.Equal(version.Spec.Requires, []string{fleet.FeatureResources}) {
		t.Fatalf("requires %v", version.Spec.Requires)
	}
	version.Spec.Requires = nil
	w.s.Services[web].Versions[1] = version
	if reply := w.apply(s); reply.Err != nil || reply.Result.Changed {
		t.Errorf("applied again: %+v", reply)
	}
}
