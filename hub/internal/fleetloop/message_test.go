package fleetloop

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

func TestDecodeRefusesWhatCantBeStored(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	for _, test := range []struct{ name, leaf, body, path string }{
		{"a balancer's name that is no key", wire.LeafActual, `{"host":"web1","facts":{"machineID":"m","balancers":[{"name":"My_LB","driver":"haproxy"}]},"agentStart":"a","session":"s"}`, "facts.balancers[0].name"},
		{"a balancer's name that is too long", wire.LeafActual, `{"host":"web1","facts":{"machineID":"m","balancers":[{"name":"` + long + `","driver":"haproxy"}]},"agentStart":"a","session":"s"}`, "facts.balancers[0].name"},
		{"no machine", wire.LeafActual, `{"host":"web1","agentStart":"a","session":"s"}`, "facts.machineID"},
		{"another host", wire.LeafActual, `{"host":"web2","facts":{"machineID":"m"},"agentStart":"a","session":"s"}`, "payload.body.host"},
		{"a service that is none", wire.LeafActual, `{"host":"web1","instances":[{"id":"1-1","service":"` + long + `"}]}`, "payload.body"},
		{"events without a number", wire.LeafEvents, `{"numbering":"n","first":0,"events":[]}`, "first"},
		{"an endless event", wire.LeafEvents, `{"numbering":"n","first":1,"events":[{"id":"1","type":"muster.host.lost","data":{"message":"` + long + `"}}]}`, "events[0].data.message"},
		{"another host's counts", wire.LeafMetrics, `{"host":"web2","agentStart":"a","pools":[]}`, "payload.body.host"},
		{"counts of no service", wire.LeafMetrics, `{"host":"web1","agentStart":"a","pools":[{"service":"","balancer":"haproxy","endpoints":[]}]}`, "pools[0].service"},
		{"an answer to no question", wire.LeafResult, `{"ok":true}`, "id"},
		{"a presence of no kind", wire.LeafPresence, `{"state":"asleep","agentStart":"a","session":"s"}`, "state"},
	} {
		t.Run(test.name, func(t *testing.T) {
			payload, err := wire.SealRaw("", 0, 1, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			_, err = decode("web1", test.leaf, payload)
			if err == nil || !strings.HasPrefix(err.Error(), test.path+":") {
				t.Errorf("got %.200v", err)
			}
		})
	}
}

func TestReasonsAreBounded(t *testing.T) {
	o := DefaultOptions()
	o.State = turn.New("lineage", 1, 0, time.Now(), turn.DefaultOptions())
	l := New(o, time.Now())
	payload, err := wire.SealRaw("", 0, 1, []byte(`{"pools":{"`+strings.Repeat("ü", 50_000)+`":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	l.Message("web1", wire.LeafPresence, "", payload)
	refused := (<-l.queue).in.(turn.RefusedIn)
	if len(refused.Reason) > maxReason+len("…") || !strings.HasSuffix(refused.Reason, "…") {
		t.Errorf("%d bytes: %.80s", len(refused.Reason), refused.Reason)
	}
}

// FuzzDecode checks that no message, however odd, stops the hub or makes a
// store that the next hub can't read.
func FuzzDecode(f *testing.F) {
	leaves := []string{wire.LeafPresence, wire.LeafActual, wire.LeafEvents, wire.LeafResult, wire.LeafMetrics}
	for leaf, body := range map[int]any{
		0: fleet.Presence{State: fleet.PresenceOnline, AgentStart: "a", Session: "s", Pools: map[fleet.ServiceKey]uint64{key: 3}},
		1: fleet.Actual{
			Host: "web1", AgentStart: "a", Session: "s", Engine: fleet.EngineStatus{Up: true},
			Facts:     fleet.HostFacts{MachineID: "m", CPUs: 2, Memory: 1 << 30, Advertise: "10.0.0.1", Balancers: []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy", Address: "10.0.0.1"}}},
			Instances: []fleet.InstanceActual{{ID: "2-1", Service: key, Version: 1, Slot: 1, Phase: fleet.PhaseRunning, Ready: true, Address: "10.0.0.1", Ports: map[int]int{80: 20000}, Image: "sha256:1"}},
			Balancers: []fleet.BalancerActual{{Name: "haproxy", Driver: "haproxy", Up: true, Pools: []fleet.PoolActual{{
				Service: key, Generation: 2, Endpoints: []fleet.EndpointActual{{Instance: "2-1", State: fleet.EndpointReady, Check: fleet.CheckPassing}},
			}}}},
		},
		2: fleet.EventBatch{Numbering: "n", First: 1, Events: []fleet.Event{{ID: "1", Type: fleet.EventInstanceStarted, Data: fleet.EventData{Message: "began", Service: &key}}}},
		3: fleet.Answer{ID: "a", OK: true},
		4: fleet.Metrics{Host: "web1", AgentStart: "a", Pools: []fleet.PoolMetrics{{
			Service: key, Balancer: "haproxy", Endpoints: []fleet.EndpointCounts{{Instance: "2-1", Version: 1, Requests: 100, Failed: 5}},
		}}},
	} {
		raw, err := wire.Encode(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(leaf), raw)
	}
	f.Fuzz(func(t *testing.T, leaf uint8, body []byte) {
		name := leaves[int(leaf)%len(leaves)]
		if _, err := decode("web1", name, body); err == nil {
			t.Error("a message without an envelope was let in")
		}
		payload, err := wire.SealRaw("", 0, 7, body)
		if err != nil {
			return // not JSON
		}
		in, err := decode("web1", name, payload)
		if err != nil {
			return
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		state := turn.New("lineage", 1, 0, now, turn.DefaultOptions())
		known, err := decode("web1", wire.LeafActual, report(t, "web1", "m"))
		if err != nil {
			t.Fatal(err)
		}
		apply := applyCommand("a")
		apply.Services[0].Spec.Publish = []fleet.Publish{{Target: 80, Protocol: "tcp"}}
		apply.Services[0].Balancing = &fleet.Balancing{Routes: []fleet.Route{{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}}}
		stored := map[string]turn.Row{}
		for _, inputs := range [][]turn.Input{{known}, {turn.CommandIn{Command: apply}}, {in}, {turn.Tick{}}, {in, in}} {
			now = now.Add(time.Second)
			delta, _ := turn.Step(state, inputs, now)
			keep(t, stored, delta)
			delta.Fold()
		}
		next := turn.New("lineage", 2, state.Revision, now, turn.DefaultOptions())
		for _, row := range stored {
			if err := next.Load(row.Table, row.Key, row.Value); err != nil {
				t.Errorf("after %s: %v", body, err)
			}
		}
	})
}

// maxKey is the longest key that a store takes, in bytes.
const maxKey = 32 << 10

// keep does with a delta what a store does.
func keep(t *testing.T, stored map[string]turn.Row, delta *turn.Delta) {
	t.Helper()
	rows, err := delta.Rows()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Key == "" || len(row.Key) > maxKey {
			t.Fatalf("table %s: a key has %d bytes", row.Table, len(row.Key))
		}
		stored[row.Table+" "+row.Key] = row
		if row.Value == nil {
			delete(stored, row.Table+" "+row.Key)
		}
	}
	for _, e := range delta.Events() {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("an event can't be stored: %v", err)
		}
		if err := json.Unmarshal(raw, &fleet.Event{}); err != nil {
			t.Fatalf("an event can't be read again: %v", err)
		}
	}
}
