package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/shared/fleet"
)

func TestAHostWithoutTheDeviceIsAvoided(t *testing.T) {
	w := newWorld(t, "web1", "web2")
	for id, h := range w.hosts {
		h.facts.Features = append(h.facts.Features, fleet.FeatureRuntime)
		h.facts.Devices = []string{"/dev/null"}
		if id == "web2" {
			h.facts.Devices = []string{"/dev/kvm", "/dev/null"}
		}
	}
	w.join()
	s := webService(2, "web:1")
	s.Spec.Runtime = &fleet.Runtime{Devices: []fleet.Device{{Source: "/dev/kvm"}}}
	w.apply(s)
	if got := w.spread(); got["web1"] != 0 || got["web2"] != 2 {
		t.Errorf("spread over %v", got)
	}
	s.Spec.Runtime = &fleet.Runtime{Devices: []fleet.Device{{Source: "/dev/ttyUSB0"}}}
	s.Key.Name, s.Balancing = "sensor", nil
	if reply := w.apply(s); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	v, _ := w.view().Service(s.Key)
	if reasons := strings.Join(v.Reasons, "; "); v.State != fleet.ServiceHeld || !strings.Contains(reasons, "web1: has no device /dev/ttyUSB0; web2: has no device /dev/ttyUSB0") || len(v.Instances) > 0 {
		t.Errorf("%s: %s", v.State, reasons)
	}
	w.hosts["web1"].facts.Devices = []string{"/dev/null", "/dev/ttyUSB0"}
	w.pass(time.Second)
	if v, _ := w.view().Service(s.Key); len(v.Instances) != 2 || v.Instances[0].Host != "web1" {
		t.Errorf("with the device: %+v", v.Reasons)
	}
}

// An agent of before would leave out what is new, and is sent none of it.
func TestAnAgentOfBeforeIsNotSentWhatIsNew(t *testing.T) {
	for name, spec := range map[string]fleet.Spec{
		"configs":     {Configs: []fleet.Config{{Name: "app", Target: "/app"}}},
		"networks":    {Networks: []fleet.Network{{Name: "shop_back"}}},
		"pull-policy": {PullPolicy: fleet.PullNever},
		"runtime":     {Runtime: &fleet.Runtime{ReadOnly: true}},
	} {
		w := newWorld(t, "web1").join()
		spec.Image = "web:1"
		w.apply(fleet.Service{Key: web, Mode: fleet.ModeReplicated, Count: 1, Spec: spec})
		v := w.wantState(fleet.ServiceHeld)
		if reasons := strings.Join(v.Reasons, "; "); !strings.Contains(reasons, "its agent doesn't know "+name) || len(v.Instances) > 0 {
			t.Errorf("%s: %s", name, reasons)
		}
	}
}

func TestWhatIsInAConfigIsNotShown(t *testing.T) {
	w := newWorld(t, "web1")
	w.hosts["web1"].facts.Features = append(w.hosts["web1"].facts.Features, fleet.FeatureConfigs)
	w.join()
	with := func(content string) fleet.Service {
		s := webService(1, "web:1")
		s.Spec.Configs = []fleet.Config{{Name: "app", Target: "/app", Mode: 0o444, Size: len(content), Sum: fleet.ConfigSum([]byte(content)), Content: []byte(content)}}
		return s
	}
	w.apply(with("one"))
	change := w.apply(with("two!")).Result.Plan.Services[0]
	want := []fleet.FieldChange{
		{Path: "spec.configs.app.size", From: "3", To: "4"},
		{Path: "spec.configs.app.sum", From: fleet.ConfigSum([]byte("one")), To: fleet.ConfigSum([]byte("two!"))},
	}
	if diff := cmp.Diff(want, change.Fields); diff != "" || change.Version != 2 {
		t.Errorf("version %d: %s", change.Version, diff)
	}
	for _, c := range w.service().Service.Spec.Configs {
		if c.Content != nil || c.Size != 4 {
			t.Errorf("shown is %+v", c)
		}
	}
	v, _ := w.view().Version(web, 1)
	if c := v.Spec.Configs[0]; c.Content != nil || c.Size != 3 {
		t.Errorf("of version 1 is shown %+v", c)
	}
	if again := w.apply(with("two!")).Result; again.Changed {
		t.Error("the same again changes something")
	}
}
