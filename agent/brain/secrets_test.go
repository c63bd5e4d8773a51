package brain_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func secretSpec() fleet.Spec {
	spec := webSpec()
	spec.Requires = []string{"secrets"}
	spec.Secrets = []fleet.SecretMount{
		{Name: "db", Revision: 2, Target: "/etc/db", UID: 5, GID: 6, Mode: 0o440}, {Name: "db", Revision: 2, Target: "/run/secrets/db", Mode: 0o444},
	}
	return spec
}

func withSecrets(t tester) *world {
	w := newWorld(t)
	w.config.Facts.Features = []string{"probe", "secrets"}
	w.config.SecretsDir = "/run/s"
	w.boot("start1")
	return w
}

func secretive(ids ...string) fleet.Desired {
	d := desired(secretSpec(), ids...)
	d.Secrets = map[string]string{"shop/db@2": "sealed"}
	return d
}

// opsOf are the operations of a kind since the last call.
func (w *world) opsOf(kind string) (found []brain.Op) {
	for _, op := range w.ops {
		if op.Kind == kind {
			found = append(found, op)
		}
	}
	w.ops = nil
	return found
}

func TestSecretsAreThereBeforeAContainerIsMadeAndStarted(t *testing.T) {
	w := withSecrets(t).connected()
	w.send(secretive("a-1"))
	w.settle()
	want := []brain.Secret{
		{Ref: "shop/db@2", Sealed: "sealed", File: "db", UID: 5, GID: 6, Mode: 0o440}, {Ref: "shop/db@2", Sealed: "sealed", File: "db~1", Mode: 0o444},
	}
	ops := w.ops
	for _, kind := range []string{brain.OpCreate, brain.OpStart} {
		w.ops = ops
		found := w.opsOf(kind)
		if len(found) != 1 || !slices.Equal(found[0].Secrets, want) {
			t.Fatalf("%s: %+v", kind, found)
		}
		if c := found[0].Create; c != nil && !slices.Equal(c.Files, []brain.File{{"/run/s/a-1/db", "/etc/db"}, {"/run/s/a-1/db~1", "/run/secrets/db"}}) {
			t.Errorf("mounted are %+v", c.Files)
		}
	}
	// After a reboot the memory is empty: they are written again before it starts.
	w.exit("a-1", 137)
	w.config.Facts.BootID = "boot2"
	w.boot("start2")
	w.settle()
	if found := w.opsOf(brain.OpStart); len(found) != 1 || !slices.Equal(found[0].Secrets, want) {
		t.Errorf("after a reboot: %+v", found)
	}
	if strings.Contains(fmt.Sprintf("%+v %+v", w.events(), w.actual), "sealed") {
		t.Error("it is told")
	}
}

func TestASecretThatHasNotCome(t *testing.T) {
	w := withSecrets(t).connected()
	d := secretive("a-1")
	d.Secrets = nil
	w.send(d)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" {
		t.Errorf("operations: %s", got)
	}
	if got := w.instance("a-1").Reason; got != "the hub hasn't sent its secret shop/db@2" {
		t.Errorf("reason %q", got)
	}
	w.send(secretive("a-1"))
	w.settle()
	w.pass(time.Second)
	if got := w.instance("a-1"); !got.Ready {
		t.Errorf("it came: %+v", got)
	}
	w.kinds()
	// What runs goes on without; what has ended waits.
	w.send(d)
	w.settle()
	if got := w.kinds(); got != "" || !w.instance("a-1").Ready {
		t.Errorf("operations: %s", got)
	}
	w.exit("a-1", 1)
	w.settle()
	w.pass(time.Minute)
	if got := w.kinds(); got != "" || !strings.Contains(w.instance("a-1").Reason, "hasn't sent its secret shop/db@2") {
		t.Errorf("operations: %s, %+v", got, w.instance("a-1"))
	}
	w.send(secretive("a-1"))
	w.settle()
	w.pass(time.Minute)
	if got := w.instance("a-1"); !got.Ready {
		t.Errorf("%+v", got)
	}
}

func TestAHostThatCannotHaveSecrets(t *testing.T) {
	w := withSecrets(t)
	w.config.NoSecrets = "/run/s is on a disk"
	w.boot("start1")
	w.connected().send(secretive("a-1"))
	w.settle()
	if got := w.actual.Refused["shop/web@1"]; got != "this host can't have secrets: /run/s is on a disk" {
		t.Errorf("refused: %q", got)
	}
	for name, spoil := range map[string]func(*fleet.SecretMount){
		"a way out":       func(m *fleet.SecretMount) { m.Name = "../x" },
		"no target":       func(m *fleet.SecretMount) { m.Target = "" },
		"a target's name": func(m *fleet.SecretMount) { m.Target = "db" },
		"no owner":        func(m *fleet.SecretMount) { m.UID = -1 },
	} {
		w := withSecrets(t).connected()
		d := secretive("a-1")
		spec := secretSpec()
		spoil(&spec.Secrets[0])
		d.Versions["shop/web@1"] = spec
		w.send(d)
		w.settle()
		if w.actual.Refused["shop/web@1"] == "" || w.kinds() != "" {
			t.Errorf("%s isn't refused", name)
		}
	}
}

// The files of what is gone go; nothing goes while it isn't known what is there.
func TestFilesOfWhatIsGone(t *testing.T) {
	w := withSecrets(t).connected()
	w.send(secretive("a-1", "a-2"))
	w.settle()
	if !slices.Equal(w.secrets, []string{"a-1", "a-2"}) {
		t.Errorf("kept are %v", w.secrets)
	}
	w.boot("start2")
	w.secrets, w.secretsSet = nil, false
	w.down = true
	w.settle()
	if w.secretsSet {
		t.Errorf("told without the engine: %v", w.secrets)
	}
	w.down = false
	w.settle()
	if !slices.Equal(w.secrets, []string{"a-1", "a-2"}) {
		t.Errorf("kept are %v", w.secrets)
	}
	d := secretive("a-1", "a-2")
	d.Instances = d.Instances[:1]
	w.send(d) // leaving one out never stops it
	w.settle()
	if !slices.Equal(w.secrets, []string{"a-1", "a-2"}) {
		t.Errorf("kept are %v", w.secrets)
	}
	w.send(stopping(secretive("a-1", "a-2"), "a-2"))
	w.settle()
	if !slices.Equal(w.secrets, []string{"a-1"}) {
		t.Errorf("kept are %v", w.secrets)
	}
	// The disk is lost: the labels say what is there.
	w.disk = nil
	w.boot("start3")
	w.secretsSet = false
	w.settle()
	if w.secretsSet {
		t.Errorf("told before the hub: %v", w.secrets)
	}
	w.send(secretive("a-1"))
	w.settle()
	if !slices.Equal(w.secrets, []string{"a-1"}) {
		t.Errorf("kept are %v", w.secrets)
	}
}

func TestALoginIsUsedAtEachPull(t *testing.T) {
	w := withSecrets(t).connected()
	spec := webSpec()
	spec.Image = "registry.example.com/web:9"
	d := desired(spec, "a-1")
	w.send(d)
	w.settle()
	pulls := w.opsOf(brain.OpPull)
	if last := pulls[len(pulls)-1]; last.Local || last.Registry != "registry.example.com" || last.Login != "" {
		t.Fatalf("%+v", last)
	}
	// Another login is tried at once, though the last try failed just now.
	d.Registries = map[string]string{"registry.example.com": "login", "docker.io": "another"}
	w.images["registry.example.com/web:9"] = brain.Image{ID: "sha256:999"}
	w.away["registry.example.com/web:9"] = true
	w.send(d)
	w.settle()
	pulls = w.opsOf(brain.OpPull)
	if len(pulls) != 2 || pulls[1].Local || pulls[1].Login != "login" || pulls[1].Credentials != nil {
		t.Errorf("%+v", pulls)
	}
	w.pass(time.Second)
	if !w.instance("a-1").Ready {
		t.Errorf("%+v", w.instance("a-1"))
	}
	// Nor does what is to be prepared go without.
	d.Versions["shop/web@2"] = fleet.Spec{Image: "registry.example.com/web:10"}
	d.Prepare = []string{"shop/web@2"}
	w.send(d)
	w.settle()
	pulls = w.opsOf(brain.OpPull)
	if len(pulls) != 2 || pulls[1].Login != "login" || pulls[1].Version != "shop/web@2" {
		t.Errorf("%+v", pulls)
	}
	d.Registries["registry.example.com"] = "third"
	w.images["registry.example.com/web:10"] = brain.Image{ID: "sha256:1010"}
	w.send(d)
	w.settle()
	if pulls = w.opsOf(brain.OpPull); len(pulls) == 0 || pulls[len(pulls)-1].Login != "third" {
		t.Errorf("%+v", pulls)
	}
	w.pass(time.Second)
	if p := w.actual.Prepared["shop/web@2"]; p.Image != "sha256:1010" {
		t.Errorf("%+v", p)
	}
}

// What is on the agent's disk is what the hub sent, and no more.
func TestTheDiskHasOnlyWhatIsEncrypted(t *testing.T) {
	w := withSecrets(t).connected()
	w.send(secretive("a-1"))
	w.settle()
	var cache brain.Cache
	if err := json.Unmarshal(w.disk, &cache); err != nil {
		t.Fatal(err)
	}
	cache.Desired = nil
	if rest := string(must(json.Marshal(cache))); strings.Contains(rest, "sealed") {
		t.Errorf("beside the desired state: %s", rest)
	}
}
