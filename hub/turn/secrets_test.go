package turn

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

var dbSecret = fleet.SecretKey{Project: "shop", Name: "db"}

// sealedOf stands for what the API makes of a value. Sealed twice it isn't the same.
func sealedOf(value string) fleet.SealedValue {
	return fleet.SealedValue{Sealed: []byte("sealed " + value), Fingerprint: wire.Sum([]byte(value)), Size: len(value)}
}

// withSecrets has hosts that know secrets, and a hub that encrypts.
func withSecrets(t tester, hosts ...string) *world {
	w := newWorld(t, hosts...)
	for id, h := range w.hosts {
		h.facts.Features = append(h.facts.Features, fleet.FeaturePrepare, fleet.FeatureSecrets)
		h.facts.SecretsKey = "key of " + id
	}
	w.s.opts.Encrypt = encryptForTest
	return w
}

func encryptForTest(recipient, name string, revision int, value fleet.SealedValue) (string, error) {
	if len(value.Sealed) == 0 {
		return "", errors.New("nothing is sealed")
	}
	return fmt.Sprintf("%s|%s|%d|%s", recipient, name, revision, value.Sealed), nil
}

func (w *world) setSecret(name, value string) Reply {
	w.t.Helper()
	sealed := sealedOf(value)
	return w.order(fleet.Command{Do: fleet.DoSecretSet, Secret: fleet.SecretKey{Project: "shop", Name: name}, Sealed: &sealed, Actor: "ann"})
}

func withDB(count int, image string) fleet.Service {
	s := webService(count, image)
	s.Spec.Secrets = []fleet.SecretMount{{Name: "db", Target: "/run/secrets/db", Mode: 0o444}}
	return s
}

func TestASecretIsDeliveredWhereItIsNeeded(t *testing.T) {
	w := withSecrets(t, "web1", "web2").withBalancer("web1").join()
	if reply := w.setSecret("db", "one"); reply.Err != nil || reply.Result.Message != "shop/db is set: revision 1" {
		t.Fatalf("%+v", reply)
	}
	s := withDB(1, "web:1")
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web2"}}
	if reply := w.apply(s); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	if got := w.hosts["web2"].desired.Secrets; len(got) != 1 || got["shop/db@1"] != "key of web2|secrets/shop/db|1|sealed one" {
		t.Errorf("web2 is sent %v", got)
	}
	if got := w.hosts["web1"].desired.Secrets; len(got) != 0 {
		t.Errorf("web1 runs nothing with it, and is sent %v", got)
	}
	m := w.hosts["web2"].desired.Versions["shop/web@1"].Secrets[0]
	if m.Revision != 1 || m.Sum != sealedOf("one").Fingerprint[:16] {
		t.Errorf("its version has %+v", m)
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(10 * time.Second)
	if got := w.hosts["web2"].desired.Secrets; len(got) != 0 {
		t.Errorf("nothing runs any more, and web2 is sent %v", got)
	}
}

func TestASecretThatChangesMakesAVersion(t *testing.T) {
	w := withSecrets(t, "web1", "web2").withBalancer("web1").join()
	w.setSecret("db", "one")
	w.apply(withDB(2, "web:1"))
	w.pass(10 * time.Second)
	if reply := w.setSecret("db", "one"); reply.Err != nil || reply.Result.Changed || !strings.Contains(reply.Result.Message, "revision 1") {
		t.Errorf("the same value: %+v", reply)
	}
	reply := w.setSecret("db", "other")
	if reply.Err != nil || reply.Result.Message != "shop/db is set: revision 2; shop/web gets version 2" {
		t.Fatalf("%+v", reply)
	}
	v := w.s.Services[web].Versions[2]
	set := w.events[slices.IndexFunc(w.events, func(e fleet.Event) bool {
		return e.Type == fleet.EventSecretSet && strings.Contains(e.Data.Message, "revision 2")
	})]
	if v.Actor != "ann" || v.Cause != set.ID || set.Actor != "ann" || set.Cause == "" || set.Subject != "secrets/shop/db" {
		t.Errorf("version %+v, because of %+v", v, set)
	}
	w.pass(2 * time.Minute)
	w.wantState(fleet.ServiceConverged)
	for id, h := range w.hosts {
		if got := h.desired.Secrets; len(got) != 1 || got["shop/db@2"] != "key of "+id+"|secrets/shop/db|2|sealed other" {
			t.Errorf("%s is sent %v", id, got)
		}
	}
	if reply := w.apply(withDB(2, "web:1")); reply.Err != nil || reply.Result.Changed {
		t.Errorf("the same file: %+v", reply)
	}
	fields, err := w.view().Diff(web, 1, 2)
	if err != nil || len(fields) != 1 || fields[0] != (fleet.FieldChange{Path: "spec.secrets.db.revision", From: "1", To: "2"}) {
		t.Errorf("%+v, %v", fields, err)
	}
	// The way back has the value of then.
	w.order(fleet.Command{Do: fleet.DoRollback, Service: web})
	w.pass(2 * time.Minute)
	if got := w.hosts["web1"].desired.Secrets; len(got) != 1 || got["shop/db@1"] == "" {
		t.Errorf("after a rollback web1 is sent %v", got)
	}
	if view := w.view().Secrets("shop"); len(view) != 1 || view[0].Revision != 2 || !slices.Equal(view[0].Kept, []int{1}) || view[0].Actor != "ann" || len(view[0].UsedBy) != 1 {
		t.Errorf("%+v", view)
	}
}

func TestValuesAreKeptAsLongAsVersionsNeedThem(t *testing.T) {
	w := withSecrets(t, "web1").join()
	w.s.opts.MaxVersions = 2
	w.setSecret("db", "1")
	w.apply(withDB(1, "web:1"))
	for i := 2; i < 6; i++ {
		w.pass(time.Minute)
		w.setSecret("db", strings.Repeat("x", i))
	}
	w.pass(time.Minute)
	if kept := sorted(w.s.Secrets[dbSecret].Values, byNumber); !slices.Equal(kept, []int{4, 5}) {
		t.Errorf("kept are the revisions %v of versions %v", kept, sorted(w.s.Services[web].Versions, byNumber))
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(time.Minute)
	if kept := sorted(w.s.Secrets[dbSecret].Values, byNumber); !slices.Equal(kept, []int{5}) {
		t.Errorf("without a service kept are %v", kept)
	}
}

func TestASecretThatIsMissing(t *testing.T) {
	w := withSecrets(t, "web1").join()
	reply := w.apply(withDB(1, "web:1"))
	var e *fleet.Error
	if !errors.As(reply.Err, &e) || e.Path != "services.web.secrets.db" || e.Message != "there is no secret shop/db" || e.Hint != "set it first: muster secret set shop/db" {
		t.Errorf("%v", reply.Err)
	}
	if len(w.s.Services) > 0 {
		t.Error("and yet it is there")
	}
	if reply := w.order(fleet.Command{Do: fleet.DoSecretRemove, Secret: dbSecret}); fleet.CodeOf(reply.Err) != fleet.CodeNotFound {
		t.Errorf("%+v", reply)
	}
}

func TestASecretInUseStays(t *testing.T) {
	w := withSecrets(t, "web1").join()
	w.setSecret("db", "one")
	w.apply(withDB(1, "web:1"))
	w.pass(10 * time.Second)
	remove := fleet.Command{Do: fleet.DoSecretRemove, Secret: dbSecret}
	if reply := w.order(remove); fleet.CodeOf(reply.Err) != fleet.CodeConflict || !strings.Contains(reply.Err.Error(), "used by shop/web") {
		t.Fatalf("%+v", reply)
	}
	w.apply(webService(1, "web:1"))
	if reply := w.order(remove); fleet.CodeOf(reply.Err) != fleet.CodeConflict {
		t.Fatalf("an instance has it still: %+v", reply)
	}
	w.pass(2 * time.Minute)
	if reply := w.order(remove); reply.Err != nil || !reply.Result.Changed {
		t.Fatalf("%+v", reply)
	}
	if len(w.view().Secrets("")) > 0 || len(w.s.Secrets[dbSecret].Values) > 0 {
		t.Error("it is still there")
	}
	reply := w.order(fleet.Command{Do: fleet.DoRollback, Service: web, Version: 1})
	if fleet.CodeOf(reply.Err) != fleet.CodeConflict || !strings.Contains(reply.Err.Error(), "shop/db@1") {
		t.Errorf("a way back to what can't start: %+v", reply)
	}
	if w.setSecret("db", "two"); w.s.Secrets[dbSecret].Revision != 2 {
		t.Errorf("a number is given twice: %+v", w.s.Secrets[dbSecret])
	}
	if reply := w.order(fleet.Command{Do: fleet.DoRollback, Service: web, Version: 1}); fleet.CodeOf(reply.Err) != fleet.CodeConflict {
		t.Errorf("nor is another value that of then: %+v", reply)
	}
}

// Values that come with a file make revisions only when they are others. Services that
// the file leaves out follow, too.
func TestSecretsThatComeWithAFile(t *testing.T) {
	w := withSecrets(t, "web1").join()
	other := withDB(1, "db:1")
	other.Key, other.Balancing = db, nil
	apply := func(value string, dry bool, services ...fleet.Service) Reply {
		w.seq++
		return w.step(CommandIn{fleet.Command{
			ID: fmt.Sprintf("cmd-%d", w.seq), Do: fleet.DoApply, Project: "shop", Services: services, DryRun: dry,
			Secrets: map[string]fleet.SealedValue{"db": sealedOf(value)}, Document: "name: shop",
		}}).Replies[0]
	}
	if reply := apply("one", true, withDB(1, "web:1"), other); reply.Err != nil || len(w.s.Secrets) > 0 || len(reply.Result.Plan.Secrets) != 1 || reply.Result.Plan.Secrets[0] != (fleet.SecretChange{Secret: dbSecret, Action: "add", Revision: 1}) {
		t.Fatalf("a dry run: %+v", reply)
	}
	if reply := apply("one", false, withDB(1, "web:1"), other); reply.Err != nil || !reply.Result.Changed {
		t.Fatalf("%+v", reply)
	}
	w.pass(10 * time.Second)
	if reply := apply("one", false, withDB(1, "web:1"), other); reply.Err != nil || reply.Result.Changed || len(reply.Result.Plan.Secrets) > 0 {
		t.Fatalf("the same again: %+v", reply.Result.Plan)
	}
	for _, dry := range []bool{true, false} {
		reply := apply("other", dry, withDB(1, "web:1"))
		if reply.Err != nil || len(reply.Result.Plan.Services) != 2 {
			t.Fatalf("%+v", reply)
		}
		for _, change := range reply.Result.Plan.Services {
			if change.Action != fleet.ActionChange || change.Version != 2 || len(change.Fields) != 1 || change.Replaces != 1 {
				t.Errorf("dry %v: %+v", dry, change)
			}
		}
	}
	w.pass(2 * time.Minute)
	if got := sorted(w.hosts["web1"].desired.Secrets, byText); !slices.Equal(got, []string{"shop/db@2"}) {
		t.Errorf("sent are %v", got)
	}
	if text := w.s.Documents["shop"].Text; text != "name: shop" {
		t.Error(text)
	}
}

func TestARepeatedSecretIsTheSameOrder(t *testing.T) {
	w := withSecrets(t, "web1").join()
	first, again := sealedOf("one"), sealedOf("one")
	again.Sealed = []byte("sealed otherwise")
	c := fleet.Command{ID: "key", Do: fleet.DoSecretSet, Secret: dbSecret, Sealed: &first}
	one := w.step(CommandIn{c}).Replies[0]
	c.Sealed = &again
	if two := w.step(CommandIn{c}).Replies[0]; two.Err != nil || two.Result.Revision != one.Result.Revision || w.s.Secrets[dbSecret].Last != 1 {
		t.Errorf("%+v, then %+v", one, two)
	}
	other := sealedOf("two!")
	c.Sealed = &other
	if reply := w.step(CommandIn{c}).Replies[0]; fleet.CodeOf(reply.Err) != fleet.CodeInvalid {
		t.Errorf("another value under the same key: %+v", reply)
	}
}

func TestAHostWithoutAKeyIsAvoided(t *testing.T) {
	w := withSecrets(t, "web1", "web2")
	w.hosts["web1"].facts.SecretsKey = ""
	w.hosts["web2"].facts.Features = w.hosts["web2"].facts.Features[:3]
	w.join()
	w.setSecret("db", "one")
	s := withDB(1, "web:1")
	s.Balancing = nil
	w.apply(s)
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceHeld)
	w.wantReason("web1: has no key that secrets could be encrypted to; restart its agent, whose log says why; web2: its agent doesn't know secrets; upgrade it")
	w.hosts["web1"].facts.SecretsKey = "new key"
	w.pass(5 * time.Second)
	w.wantState(fleet.ServiceConverged)
	if got := w.hosts["web1"].desired.Secrets["shop/db@1"]; got != "new key|secrets/shop/db|1|sealed one" {
		t.Error(got)
	}
	// A host whose disk was lost has another key, and is sent all anew.
	w.hosts["web1"].facts.SecretsKey = "third key"
	w.pass(5 * time.Second)
	if got := w.hosts["web1"].desired.Secrets["shop/db@1"]; got != "third key|secrets/shop/db|1|sealed one" {
		t.Error(got)
	}
	// Who knows better, says so.
	w.s.opts.Recipient = func(host string) string { return "known key of " + host }
	w.hosts["web1"].facts.Kernel = "another"
	w.pass(5 * time.Second)
	if got := w.hosts["web1"].desired.Secrets["shop/db@1"]; got != "known key of web1|secrets/shop/db|1|sealed one" {
		t.Error(got)
	}
}

func TestLoginsGoWhereImagesAreFetched(t *testing.T) {
	w := withSecrets(t, "web1", "web2").join()
	s := webService(1, "registry.example.com/web:1")
	s.Balancing = nil
	s.Constraints = []fleet.Constraint{{Label: fleet.LabelHostname, Equal: true, Value: "web1"}}
	w.apply(s)
	w.pass(5 * time.Second)
	sealed := sealedOf("password")
	set := fleet.Command{Do: fleet.DoRegistrySet, Registry: "Registry.example.com", Username: "ann", Sealed: &sealed}
	if reply := w.order(set); reply.Err != nil || !reply.Result.Changed {
		t.Fatalf("%+v", reply)
	}
	const want = "key of web1|registries/registry.example.com|1|sealed password"
	if got := w.hosts["web1"].desired.Registries; len(got) != 1 || got["registry.example.com"] != want {
		t.Errorf("web1 is sent %v", got)
	}
	if got := w.hosts["web2"].desired.Registries; len(got) > 0 {
		t.Errorf("web2 is sent %v", got)
	}
	if reply := w.order(set); reply.Err != nil || reply.Result.Changed {
		t.Errorf("the same again: %+v", reply)
	}
	if view := w.view().Registries(); len(view) != 1 || view[0].Username != "ann" || view[0].Revision != 1 || len(view[0].UsedBy) != 1 {
		t.Errorf("%+v", view)
	}
	if w.s.Services[web].Version != 1 {
		t.Error("a login is no part of a version")
	}
	remove := fleet.Command{Do: fleet.DoRegistryRemove, Registry: "registry.example.com"}
	if reply := w.order(remove); reply.Err != nil || len(w.hosts["web1"].desired.Registries) > 0 {
		t.Errorf("%+v, %v", reply, w.hosts["web1"].desired.Registries)
	}
	if reply := w.order(remove); fleet.CodeOf(reply.Err) != fleet.CodeNotFound {
		t.Errorf("%+v", reply)
	}
	for _, c := range []fleet.Command{
		{Do: fleet.DoRegistrySet, Registry: "a b", Username: "ann", Sealed: &sealed}, {Do: fleet.DoRegistrySet, Registry: "a", Sealed: &sealed},
		{Do: fleet.DoRegistrySet, Registry: "a", Username: "ann"}, {Do: fleet.DoSecretSet, Secret: dbSecret}, {Do: fleet.DoSecretSet, Sealed: &sealed},
		{Do: fleet.DoSecretSet, Secret: dbSecret, Sealed: &fleet.SealedValue{Sealed: []byte("x"), Fingerprint: sealed.Fingerprint}},
		{Do: fleet.DoSecretSet, Secret: dbSecret, Sealed: &fleet.SealedValue{Sealed: []byte("x"), Fingerprint: sealed.Fingerprint, Size: fleet.MaxSecret + 1}},
	} {
		if reply := w.order(c); fleet.CodeOf(reply.Err) != fleet.CodeInvalid {
			t.Errorf("%+v: %+v", c, reply)
		}
	}
}

func TestSecretsCountForWhatAHostCarries(t *testing.T) {
	w := withSecrets(t, "web1").join()
	large := func(name string, size int) Reply {
		v := sealedOf(fmt.Sprint(name, size))
		v.Size = size
		return w.order(fleet.Command{Do: fleet.DoSecretSet, Secret: fleet.SecretKey{Project: "shop", Name: name}, Sealed: &v})
	}
	for _, name := range []string{"db", "b", "c"} {
		large(name, fleet.MaxSecret)
	}
	s := withDB(1, "web:1")
	s.Spec.Secrets = append(s.Spec.Secrets, fleet.SecretMount{Name: "b", Target: "/b"}, fleet.SecretMount{Name: "c", Target: "/c"})
	if reply := w.apply(s); fleet.CodeOf(reply.Err) != fleet.CodeInvalid || !strings.Contains(reply.Err.Error(), "services.web.secrets") {
		t.Errorf("three of the largest: %+v", reply)
	}
	large("c", 10)
	if reply := w.apply(s); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	if reply := large("c", fleet.MaxSecret-1); fleet.CodeOf(reply.Err) != fleet.CodeInvalid || !strings.Contains(reply.Err.Error(), "shop/web") {
		t.Errorf("one grows: %+v", reply)
	}
	w.pass(time.Minute)
	for i := 1; i < 6; i++ { // each needs 192 KiB
		more := s
		more.Key.Name, more.Balancing, more.Count = fmt.Sprintf("web%d", i), nil, 1
		more.Spec.Image = fmt.Sprintf("web:%d", i)
		if reply := w.apply(more); reply.Err != nil {
			t.Fatal(reply.Err)
		}
		w.pass(time.Minute)
	}
	if raw := mustJSON(w.hosts["web1"].desired); len(raw) > wire.MaxDesired {
		t.Errorf("%d bytes", len(raw))
	}
	if v, _ := w.view().Service(fleet.ServiceKey{Project: "shop", Name: "web5"}); !strings.Contains(strings.Join(v.Reasons, " "), "its desired state would pass 512 KiB") {
		t.Errorf("%v", v.Reasons)
	}
}

// What hosts are asked for is the same, byte by byte, when the hub starts anew: else it
// would be another content of the same generation.
func TestARestartedHubDeliversTheSame(t *testing.T) {
	w := withSecrets(t, "web1", "web2").withBalancer("web1").join()
	w.setSecret("db", "one")
	sealed := sealedOf("password")
	w.order(fleet.Command{Do: fleet.DoRegistrySet, Registry: "docker.io", Username: "ann", Sealed: &sealed})
	w.apply(withDB(3, "web:1"))
	w.pass(10 * time.Second)
	w.setSecret("db", "other")
	w.pass(3 * time.Second) // both versions are there
	before := map[string]string{}
	for id, h := range w.s.Hosts {
		before[id] = string(mustJSON(begin(w.s, w.now).desired(h)))
		if wire.Sum([]byte(before[id])) != h.Sum {
			t.Errorf("%s was sent something else", id)
		}
	}
	opts := w.s.opts
	restarted := New("lineage", 2, w.s.Revision, w.now, opts)
	for _, name := range sorted(w.stored, byText) {
		row := w.stored[name]
		if err := restarted.Load(row.Table, row.Key, row.Value); err != nil {
			t.Fatal(err)
		}
	}
	sent := 0
	for _, p := range Boot(restarted) {
		if host, leaf, _, ok := wire.HostTopic(p.Topic); ok && leaf == wire.LeafDesired {
			env, err := wire.Open(p.Payload, nil)
			if err != nil || string(env.Body) != before[host] || env.Generation != w.s.Hosts[host].Desired {
				t.Errorf("%s is sent\n%s\nand was sent\n%s", host, env.Body, before[host])
			}
			sent++
		}
	}
	if sent != 2 {
		t.Errorf("%d hosts are sent something", sent)
	}
	w.s = restarted
	w.pass(2 * time.Minute)
	w.wantState(fleet.ServiceConverged)
}

// A key that changed while no hub was there is heard at once, and what can't be opened
// any more isn't published as what it was.
func TestAKeyThatChangedMeanwhile(t *testing.T) {
	w := withSecrets(t, "web1").join()
	w.setSecret("db", "one")
	w.apply(withDB(1, "web:1"))
	w.pass(10 * time.Second)
	opts := w.s.opts
	opts.Recipient = func(string) string { return "another key" }
	restarted := New("lineage", 2, w.s.Revision, w.now, opts)
	for _, row := range w.stored {
		if err := restarted.Load(row.Table, row.Key, row.Value); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range Boot(restarted) {
		if _, leaf, _, ok := wire.HostTopic(p.Topic); ok && leaf == wire.LeafDesired {
			t.Errorf("published is %s", p.Payload)
		}
	}
	generation := w.hosts["web1"].gen
	w.s = restarted
	w.pass(5 * time.Second)
	if h := w.hosts["web1"]; h.gen <= generation || !strings.HasPrefix(h.desired.Secrets["shop/db@1"], "another key|") {
		t.Errorf("generation %d after %d: %v", h.gen, generation, h.desired.Secrets)
	}
	w.wantState(fleet.ServiceConverged)
}

// No clear value is among what goes out but to its host, nor in events or answers.
func TestSecretsAreNeverShown(t *testing.T) {
	w := withSecrets(t, "web1").join()
	var out bytes.Buffer
	w.stepped = func(_ []Input, delta *Delta, o Outputs) {
		for _, p := range o.Publish {
			if _, leaf, _, ok := wire.HostTopic(p.Topic); !ok || leaf != wire.LeafDesired {
				out.Write(p.Payload)
			}
		}
		fmt.Fprintf(&out, "%+v %+v", o.Replies, o.Events)
	}
	w.setSecret("db", "hunter2")
	w.apply(withDB(1, "web:1"))
	w.setSecret("db", "hunter3")
	sealed := sealedOf("hunter4")
	w.order(fleet.Command{Do: fleet.DoRegistrySet, Registry: "docker.io", Username: "ann", Sealed: &sealed})
	w.pass(time.Minute)
	fmt.Fprintf(&out, "%s %+v %+v", mustJSON(w.service()), w.view().Secrets(""), w.view().Registries())
	if strings.Contains(out.String(), "hunter") {
		t.Error("a value is shown")
	}
}

// A service that is removed in the middle of a rollout is prepared nowhere any more, and
// each host that was to prepare it is told so.
func TestWhatIsRemovedIsPreparedNoMore(t *testing.T) {
	w := withSecrets(t, "web1", "web2", "web3").join()
	for _, h := range w.hosts {
		h.lacks = map[string]string{"shop/web@2": "no such image"}
	}
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	w.apply(webService(1, "web:2"))
	w.pass(5 * time.Second)
	prepares := w.s.Services[web].Rollout.Hosts
	if len(prepares) != 2 {
		t.Fatalf("it is prepared on %v", prepares)
	}
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	for _, id := range prepares {
		if h := w.s.Hosts[id]; len(w.hosts[id].desired.Prepare) > 0 || wire.Sum(mustJSON(begin(w.s, w.now).desired(h))) != h.Sum {
			t.Errorf("%s is asked for %v", id, w.hosts[id].desired.Prepare)
		}
	}
}
