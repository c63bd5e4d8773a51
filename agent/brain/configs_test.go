package brain_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// able is a world whose agent knows all that specs of these tests ask for.
func able(t tester) *world {
	w := newWorld(t)
	w.config.Facts.Features = []string{"probe", "configs", "networks", "pull-policy", "runtime"}
	w.config.ConfigsDir = "/var/c"
	w.boot("start1")
	return w
}

func configSpec() fleet.Spec {
	spec := webSpec()
	spec.Requires = []string{"configs"}
	content := []byte("a: b\n")
	spec.Configs = []fleet.Config{
		{Name: "app", Target: "/app.yaml", UID: 5, GID: 6, Mode: 0o440, Size: 5, Sum: fleet.ConfigSum(content), Content: content},
		{Name: "none", Target: "/none", Mode: 0o444, Sum: fleet.ConfigSum(nil)},
	}
	return spec
}

func TestConfigsAreThereBeforeAContainerIsMadeAndStarted(t *testing.T) {
	w := able(t).connected()
	w.send(desired(configSpec(), "a-1"))
	w.settle()
	want := []brain.ConfigFile{{File: "0", Content: []byte("a: b\n"), UID: 5, GID: 6, Mode: 0o440}, {File: "1", Mode: 0o444}}
	ops := w.ops
	for _, kind := range []string{brain.OpCreate, brain.OpStart} {
		w.ops = ops
		found := w.opsOf(kind)
		if len(found) != 1 || !reflect.DeepEqual(found[0].Configs, want) {
			t.Fatalf("%s: %+v", kind, found)
		}
		if c := found[0].Create; c != nil && !slices.Equal(c.Files, []brain.File{{"/var/c/a-1/0", "/app.yaml"}, {"/var/c/a-1/1", "/none"}}) {
			t.Errorf("mounted are %+v", c.Files)
		}
	}
	w.exit("a-1", 1)
	w.settle()
	w.pass(time.Minute)
	if found := w.opsOf(brain.OpStart); len(found) != 1 || !reflect.DeepEqual(found[0].Configs, want) {
		t.Errorf("started again with %+v", found)
	}
	if text := w.state.Inspect(shopWeb, w.now); !strings.Contains(text, "/app.yaml") || strings.Contains(text, "YTogYgo") {
		t.Errorf("inspected it is %s", text)
	}
}

func TestAConfigThatIsNotAsItSays(t *testing.T) {
	for name, spoil := range map[string]func(*fleet.Config){
		"another content": func(c *fleet.Config) { c.Content = []byte("x") },
		"a target's name": func(c *fleet.Config) { c.Target = "app.yaml" },
		"no owner":        func(c *fleet.Config) { c.GID = -1 },
	} {
		w := able(t).connected()
		spec := configSpec()
		spoil(&spec.Configs[0])
		w.send(desired(spec, "a-1"))
		w.settle()
		if got := w.kinds(); got != "" || !strings.Contains(w.actual.Refused["shop/web@1"], `its config "app"`) {
			t.Errorf("%s: operations %q, refused %v", name, got, w.actual.Refused)
		}
	}
}

// A device that comes later is noticed.
func TestADeviceThatTheHostLacks(t *testing.T) {
	w := able(t).connected()
	spec := webSpec()
	spec.Requires, spec.Runtime = []string{"runtime"}, &fleet.Runtime{Devices: []fleet.Device{{Source: "/dev/ttyUSB0"}}}
	facts := w.config.Facts
	facts.Devices = []string{"/dev/null"}
	w.step(brain.FactsRead{Facts: facts, Bind: "10.0.0.1"})
	w.send(desired(spec, "a-1"))
	w.settle()
	if got := w.kinds(); got != "" || w.actual.Refused["shop/web@1"] != "this host has no device /dev/ttyUSB0" || w.instance("a-1").Reason != "this host has no device /dev/ttyUSB0" {
		t.Errorf("operations %q, refused %v", got, w.actual.Refused)
	}
	facts.Devices = []string{"/dev/null", "/dev/ttyUSB0"}
	w.step(brain.FactsRead{Facts: facts, Bind: "10.0.0.1"})
	w.settle()
	w.pass(time.Second)
	if !w.instance("a-1").Ready || len(w.actual.Refused) > 0 {
		t.Errorf("it came: %+v, refused %v", w.instance("a-1"), w.actual.Refused)
	}
}

func TestPullPolicies(t *testing.T) {
	pulls := func(w *world) (all []string) {
		for _, op := range w.opsOf(brain.OpPull) {
			how := "fetch"
			switch {
			case op.Anew:
				how = "anew"
			case op.Never:
				how = "never"
			case op.Local:
				how = "look"
			}
			all = append(all, how+" "+op.Image)
		}
		return all
	}
	for _, test := range []struct {
		policy, pin string
		away        bool
		want        string
	}{
		{"", "", false, "look web:1"},
		{"", "", true, "look web:1, fetch web:1"},
		{fleet.PullAlways, "", false, "anew web:1"},
		{fleet.PullAlways, "web@sha256:aaa", false, "look web@sha256:aaa"},
		{fleet.PullNever, "", false, "look web:1"},
		{fleet.PullNever, "", true, "look web:1, never web:1"},
	} {
		w := able(t).connected()
		if test.away {
			w.away["web:1"] = true
		}
		spec := webSpec()
		spec.Requires, spec.PullPolicy = []string{"pull-policy"}, test.policy
		d := desired(spec, "a-1")
		d.Instances[0].Pin = test.pin
		w.send(d)
		w.settle()
		if got := strings.Join(pulls(w)[:strings.Count(test.want, ",")+1], ", "); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// What was changed by hand is put back on its networks as the spec has them.
func TestWhatIsPutBackKnowsItsNetworks(t *testing.T) {
	w := able(t).connected()
	spec := webSpec()
	spec.Requires = []string{"networks", "runtime"}
	spec.Networks, spec.Runtime = []fleet.Network{{Name: "shop_back", Aliases: []string{"web"}}}, &fleet.Runtime{MemorySwap: -1}
	w.send(desired(spec, "a-1"))
	w.settle()
	w.ops = nil
	w.box("a-1").Snapshot.Networks = nil
	w.settle()
	if found := w.opsOf(brain.OpRestore); len(found) != 1 || !reflect.DeepEqual(found[0].Networks, spec.Networks) || found[0].MemorySwap != -1 {
		t.Errorf("put back by %+v", found)
	}
}

// On the host's network a container publishes nothing, and its port is ours all the same.
func TestPortsOfTheHostsNetworkAreOurs(t *testing.T) {
	w := able(t).connected()
	spec := webSpec()
	spec.Requires, spec.NetworkMode = []string{"networks"}, fleet.NetworkHost
	for i := range spec.Publish {
		spec.Publish[i].HostPort = spec.Publish[i].Target
	}
	w.send(desired(spec, "a-1"))
	w.settle()
	if _, ports := w.state.Ours(); !slices.Contains(ports, spec.Publish[0].Target) {
		t.Errorf("ours are %v", ports)
	}
	if got := w.instance("a-1"); got.Ports[spec.Publish[0].Target] != spec.Publish[0].Target {
		t.Errorf("reached at %v", got.Ports)
	}
}
