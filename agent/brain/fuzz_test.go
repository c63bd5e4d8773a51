package brain_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// largest bounds what a fuzzer sends, in bytes: a world with thousands of
// instances finds nothing that one with a few doesn't, in a hundred times the time.
const largest = 8 << 10

// FuzzDesired: whatever a desired state says, what runs is stopped only where
// it says so, what the agent tells is something that the hub takes, and after
// a restart the agent goes on with the same.
func FuzzDesired(f *testing.F) {
	d := desired(webSpec(), "a-1", "b-1", "c-1")
	f.Add(true, must(json.Marshal(d)))
	f.Add(true, must(json.Marshal(stopping(d, "a-1"))))
	d.Frozen, d.Pools, d.HeldPorts = true, []fleet.PoolRef{{Service: shopWeb, Generation: 4}}, []int{20003}
	f.Add(true, must(json.Marshal(d)))
	f.Add(true, []byte(`{"host":"h1","instances":[{"id":"a-1","goal":"run"},{"id":"b-1","service":"shop/web","version":9,"goal":"hover"}]}`))
	f.Add(true, []byte(`{"host":"h1","versions":{"":{"publish":[{"target":-1},{"target":70000,"hostPort":-5}]}},"names":{"shop":null}}`))
	f.Add(true, []byte(`{"host":"h1","versions":{"shop/web@2":{"image":"web:2"}},"prepare":["shop/web@2","shop/web@2","shop/web@3"],"pins":{"shop/web@2":"sha256:x"}}`))
	f.Add(false, []byte(`{"v":1,"body":null}`))
	f.Fuzz(func(t *testing.T, sealed bool, body []byte) {
		if len(body) > largest {
			return
		}
		w := settled(t)
		payload := body
		if raw, err := wire.SealRaw("L1", w.epoch, w.gen+1, body); sealed && err == nil {
			payload = raw
		}
		w.step(brain.DesiredReceived{Payload: payload})
		w.settle()
		w.pass(time.Second)
		var asked fleet.Desired
		if w.presence.Observed.Generation > w.gen {
			if _, err := wire.Open(payload, &asked); err != nil {
				t.Fatalf("accepted, and yet %v", err)
			}
		}
		for _, op := range w.ops {
			if op.Kind == brain.OpStop && !slices.ContainsFunc(asked.Instances, func(a fleet.Assignment) bool { return a.ID == op.Instance && a.Goal == fleet.GoalStop }) {
				t.Errorf("nobody stopped %s", op.Instance)
			}
		}
		before := w.presence.Observed
		w.boot("start2")
		w.connected()
		w.settle()
		if after := w.presence.Observed; after != before {
			t.Errorf("before the restart %+v, and then %+v", before, after)
		}
	})
}

// FuzzPool: whatever a pool says, it becomes what the balancers are to have,
// or they keep what they had.
func FuzzPool(f *testing.F) {
	f.Add(must(json.Marshal(pool(shopWeb, 5, false, 80))))
	f.Add(must(json.Marshal(pool(shopWeb, 5, true))))
	f.Add(must(json.Marshal(pool(shopWeb, 6, false, 80))))
	f.Add(must(json.Marshal(pool(fleet.ServiceKey{Project: "shop", Name: "db"}, 5, false))))
	f.Add([]byte(`{"service":"shop/web","generation":5,"endpoints":[{"instance":"a-1","ports":{"-1":70000},"weight":-3,"state":"gone"}],"routes":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newWorld(t).connected()
		w.sendPool(4, false, 80)
		w.send(desired(webSpec()))
		payload, err := wire.SealRaw("L1", w.epoch, 5, body)
		if err != nil {
			payload = body
		}
		w.step(brain.PoolReceived{Service: shopWeb, Payload: payload})
		if len(w.pools) != 1 || w.pools[0].Service != shopWeb {
			t.Fatalf("the balancers have %+v", w.pools)
		}
		got := w.pools[0].Generation
		if got != 4 && got != 5 || w.presence.Pools[shopWeb] != got {
			t.Errorf("the balancers have %+v, presence says %v", w.pools, w.presence.Pools)
		}
		w.boot("start2")
		w.connected()
		if !w.poolsSet || len(w.pools) != 1 || w.pools[0].Generation != got {
			t.Errorf("after a restart they have %+v", w.pools)
		}
	})
}

// FuzzAck: no acknowledgement makes the agent forget what it has yet to tell,
// or stop telling what comes later.
func FuzzAck(f *testing.F) {
	f.Add(must(json.Marshal(fleet.Ack{Session: "s1", Actual: 1, Events: 1})))
	f.Add(must(json.Marshal(fleet.Ack{Session: "s1", Actual: 1 << 63, Events: 1 << 63})))
	f.Add([]byte(`{"session":"s1","actual":1,"numbering":"other"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := settled(t)
		told := slices.Clone(w.events())
		payload, err := wire.SealRaw("L1", w.epoch, 0, body)
		if err != nil {
			payload = body
		}
		w.step(brain.AckReceived{Payload: payload})
		left := slices.DeleteFunc(slices.Clone(w.events()), func(e fleet.Event) bool { return e.Type == fleet.EventMessageRefused })
		gone := len(told) - len(left)
		if gone < 0 || !slices.EqualFunc(told[gone:], left, func(a, b fleet.Event) bool { return a.ID == b.ID }) {
			t.Errorf("of %d events %d are left", len(told), len(left))
		}
		w.exit("a-1", 1)
		w.settle()
		w.pass(time.Second)
		before := w.actuals
		w.pass(brain.DefaultTiming().Resend + time.Second)
		if w.actuals == before {
			t.Error("what isn't acknowledged is told once only")
		}
	})
}

// FuzzLabels: labels are anybody's to write. Whatever they say, the hub takes
// the report, and a container without all of ours is left alone.
func FuzzLabels(f *testing.F) {
	f.Add("L1", "h1", "u-1", "shop", "web", "1", "1", "2", "8080:20001,9090:20002")
	f.Add("L1", "h1", "u-1", "Shop/", "", "-1", "x", "99999999999999999999", "0:1,-1:2,70000:1,1:70000,,:,1:2:3")
	f.Add("L1", "h1", "a-1", "shop", "web", "1", "1", "9", "8080:20000")
	f.Add("L2", "h1", "a-1", "shop", "web", "1", "1", "9", "8080:20000")
	f.Add("L1", "h1", "", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, lineage, host, instance, project, service, version, slot, incarnation, ports string) {
		w := settled(t)
		w.foreign = []brain.Container{{ID: "f1", State: brain.ContainerRunning, StartedAt: w.now, Labels: map[string]string{
			brain.LabelLineage: lineage, brain.LabelHost: host, brain.LabelInstance: instance, brain.LabelProject: project, brain.LabelService: service,
			brain.LabelVersion: version, brain.LabelSlot: slot, brain.LabelIncarnation: incarnation, brain.LabelPorts: ports,
		}}}
		w.settle()
		w.pass(time.Minute)
		for _, op := range w.ops {
			if op.Container == "f1" && (lineage != "L1" || host != "h1" || op.Instance != instance || op.Kind != brain.OpRestore) {
				t.Errorf("its labels are %v: %+v", w.foreign[0].Labels, op)
			}
		}
	})
}
