package cache

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// FuzzDecode: a file is refused, or written again it says the same. A brain
// that goes on from it, damaged though it may be, goes on.
func FuzzDecode(f *testing.F) {
	kept := brain.Cache{
		Lineage: "L1", Desired: []byte(`{"v":1}`), Pools: map[string][]byte{"shop/web": []byte("{}"), "x": nil}, PoolsComplete: true, Advertise: "10.0.0.1",
		Quarantine: map[int]time.Time{20001: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}, Sequence: 1000, Numbering: "n1", LastEvent: 1,
		Events: []fleet.Event{{ID: "n1-1", Type: fleet.EventEngineDown, Source: "hosts/h1"}},
		Instances: map[string]*brain.Record{"a-1": {
			Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Version: 1, Ports: map[int]int{8080: 20001}, Container: "c1", ReadyRun: "c1@0",
			Snapshot: &brain.Snapshot{Name: "n", Networks: []string{"bridge"}},
		}},
	}
	whole, err := (&Cache{}).Encode(&kept)
	if err != nil {
		f.Fatal(err)
	}
	body, err := wire.Encode(kept)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":2`), 1))
	f.Add(body) // it is given its sum below: the fuzzer can't find one
	f.Add([]byte(`{"instances":{"a-1":null},"lastEvent":1,"events":[{},{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := [][]byte{data}
		if json.Valid(data) {
			summed, err := wire.Encode(file{Version: version, Sum: wire.Sum(data), Cache: data})
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, summed)
		}
		for _, f := range files {
			kept, err := decode(f)
			if err != nil {
				if !bytes.Equal(asWritten(t, kept), asWritten(t, brain.Cache{})) {
					t.Errorf("refused with %v, and yet %+v", err, kept)
				}
				continue
			}
			again, err := decode(asWritten(t, kept))
			if err != nil || !bytes.Equal(asWritten(t, again), asWritten(t, kept)) {
				t.Errorf("written again it says %+v, %v", again, err)
			}
			goOn(t, again)
		}
	})
}

func asWritten(t *testing.T, kept brain.Cache) []byte {
	t.Helper()
	data, err := (&Cache{}).Encode(&kept)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// goOn lets a brain begin from a cache, on a host where nothing runs: it begins
// nothing that no desired state in the cache asks for.
func goOn(t *testing.T, kept brain.Cache) {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	config := brain.Config{
		Host: "h1", AgentStart: "start", Bind: "10.0.0.1", Limits: brain.DefaultLimits(), Timing: brain.DefaultTiming(),
		Facts: fleet.HostFacts{Hostname: "h1", Advertise: "10.0.0.1", BootID: "boot", MachineID: "m", PortRangeFirst: 20000, PortRangeLast: 20999},
	}
	asked := len(kept.Desired) > 0
	state := brain.New(config, kept, now)
	for _, in := range []brain.Input{brain.Connected{Session: "s"}, brain.Listed{}, brain.Tick{}, brain.AckReceived{Payload: ackOf(t)}} {
		now = now.Add(time.Minute)
		if out := brain.Step(state, in, now); len(out.Ops) > 0 && !asked {
			t.Errorf("nobody asks for %+v", out.Ops)
		}
	}
}

func ackOf(t *testing.T) []byte {
	t.Helper()
	payload, err := wire.Seal("L1", 1, 0, fleet.Ack{Session: "s", Actual: 1, Events: 1})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
