package fleet

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

var web = ServiceKey{Project: "shop", Name: "web"}

// goodActual uses every field in the oddest way that is right.
func goodActual() *Actual {
	return &Actual{
		Host: "web1", AgentStart: "start", Session: "session",
		Facts: HostFacts{
			Hostname: "Web1.Example.COM", Distribution: "debian 12", CPUs: 2, Memory: 1 << 30, MachineID: "m",
			Addresses: []string{"10.0.0.1", "2001:db8::1"}, Advertise: "fe80::1%eth0", Labels: map[string]string{"tier": "", "ü": "ö"},
			Features: []string{"probe-http"}, PortRangeFirst: 20000, PortRangeLast: 29999,
			Balancers: []BalancerFacts{{Name: "haproxy", Driver: "haproxy"}, {Name: "edge", Driver: "haproxy", Address: "10.0.0.9"}},
		},
		Instances: []InstanceActual{
			{ID: "1c-1", Service: web, Version: 1, Slot: 1, Phase: PhaseRunning, Address: "10.0.0.1", Ports: map[int]int{80: 20000}, StartedAt: time.Unix(0, 0), ExitCode: -1},
			{ID: "1c-2", Phase: PhaseExited, Unclaimed: true},
		},
		Balancers: []BalancerActual{{Name: "haproxy", Driver: "haproxy", Version: "2.6.12-1+deb12u4", Pools: []PoolActual{{
			Service: web, Endpoints: []EndpointActual{{Instance: "1c-1", State: EndpointReady, Check: CheckUnknown}},
		}}}},
		Foreign:  Foreign{CPUs: 0.5, Ports: []int{22, 22}},
		Refused:  map[string]string{"shop/web@1": "this agent doesn't know it"},
		Prepared: map[string]Prepared{"shop/web@2": {Image: "sha256:1", Digest: "web@sha256:2"}, "shop/web@3": {Problem: "there is no such image"}},
	}
}

func TestActualValidate(t *testing.T) {
	if err := goodActual().Validate(); err != nil {
		t.Errorf("a right one: %v", err)
	}
	first := &Actual{Host: "web1", AgentStart: "a", Session: "s", Facts: HostFacts{MachineID: "m"}}
	if err := first.Validate(); err != nil {
		t.Errorf("the least: %v", err)
	}
	in := func(a *Actual) *InstanceActual { return &a.Instances[0] }
	pool := func(a *Actual) *PoolActual { return &a.Balancers[0].Pools[0] }
	for _, test := range []struct {
		path  string
		spoil func(*Actual)
	}{
		{"host", func(a *Actual) { a.Host = "Web1" }},
		{"agentStart", func(a *Actual) { a.AgentStart = "" }},
		{"session", func(a *Actual) { a.Session = strings.Repeat("s", 257) }},
		{"observed.lineage", func(a *Actual) { a.Observed.Lineage = strings.Repeat("s", 257) }},
		{"engine.problem", func(a *Actual) { a.Engine.Problem = strings.Repeat("s", MaxReason+1) }},
		{"problem", func(a *Actual) { a.Problem = strings.Repeat("s", MaxReason+1) }},
		{"facts.machineID", func(a *Actual) { a.Facts.MachineID = "" }},
		{"facts.machineID", func(a *Actual) { a.Facts.MachineID = strings.Repeat("m", 129) }},
		{"facts.hostname", func(a *Actual) { a.Facts.Hostname = strings.Repeat("m", 257) }},
		{"facts.cpus", func(a *Actual) { a.Facts.CPUs = -1 }},
		{"facts.memory", func(a *Actual) { a.Facts.Memory = -1 }},
		{"facts.advertise", func(a *Actual) { a.Facts.Advertise = "web1.example.com" }},
		{"facts.addresses[1].address", func(a *Actual) { a.Facts.Addresses[1] = "10.0.0.256" }},
		{"facts.labels", func(a *Actual) { a.Facts.Labels[""] = "x" }},
		{"facts.labels", func(a *Actual) {
			for i := range maxLabels {
				a.Facts.Labels[strconv.Itoa(i)] = ""
			}
		}},
		{"facts.features[0].name", func(a *Actual) { a.Facts.Features[0] = "" }},
		{"facts.portRangeFirst", func(a *Actual) { a.Facts.PortRangeFirst = 30000 }},
		{"facts.portRangeLast", func(a *Actual) { a.Facts.PortRangeLast = 65536 }},
		{"facts.balancers[0].name", func(a *Actual) { a.Facts.Balancers[0].Name = "My_LB" }},
		{"facts.balancers[0].driver", func(a *Actual) { a.Facts.Balancers[0].Driver = "HA Proxy" }},
		{"facts.balancers[0].address", func(a *Actual) { a.Facts.Balancers[0].Address = "lb" }},
		{"facts.balancers", func(a *Actual) { a.Facts.Balancers[0].Name = "edge" }},
		{"facts.balancers", func(a *Actual) { a.Facts.Balancers = make([]BalancerFacts, 17) }},
		{"instances", func(a *Actual) { a.Instances[1].ID = "1c-1" }},
		{"instances", func(a *Actual) { a.Instances = make([]InstanceActual, 2001) }},
		{"instances[0].id", func(a *Actual) { in(a).ID = "a/b" }},
		{"instances[0].service", func(a *Actual) { in(a).Service = ServiceKey{} }},
		{"instances[1].service", func(a *Actual) { a.Instances[1].Service = ServiceKey{Name: "web"} }},
		{"instances[0].version", func(a *Actual) { in(a).Version = -1 }},
		{"instances[0].slot", func(a *Actual) { in(a).Slot = -1 }},
		{"instances[0].restarts", func(a *Actual) { in(a).Restarts = -1 }},
		{"instances[0].phase", func(a *Actual) { in(a).Phase = "dancing" }},
		{"instances[0].address", func(a *Actual) { in(a).Address = "x" }},
		{"instances[0].ports", func(a *Actual) { in(a).Ports = map[int]int{80: 0} }},
		{"instances[0].ports", func(a *Actual) { in(a).Ports = map[int]int{65536: 80} }},
		{"instances[0].reason", func(a *Actual) { in(a).Reason = strings.Repeat("s", MaxReason+1) }},
		{"instances[0].nextTry", func(a *Actual) { in(a).NextTry = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }},
		{"balancers[0].name", func(a *Actual) { a.Balancers[0].Name = "" }},
		{"balancers", func(a *Actual) { a.Balancers = append(a.Balancers, a.Balancers[0]) }},
		{"balancers[0].pools", func(a *Actual) { a.Balancers[0].Pools = append(a.Balancers[0].Pools, *pool(a)) }},
		{"balancers[0].pools[0].service", func(a *Actual) { pool(a).Service = ServiceKey{} }},
		{"balancers[0].pools[0].endpoints", func(a *Actual) { pool(a).Endpoints = append(pool(a).Endpoints, pool(a).Endpoints[0]) }},
		{"balancers[0].pools[0].endpoints[0].state", func(a *Actual) { pool(a).Endpoints[0].State = "maint" }},
		{"balancers[0].pools[0].endpoints[0].check", func(a *Actual) { pool(a).Endpoints[0].Check = "" }},
		{"balancers[0].pools[0].endpoints[0].connections", func(a *Actual) { pool(a).Endpoints[0].Connections = -1 }},
		{"foreign.memory", func(a *Actual) { a.Foreign.Memory = -1 }},
		{"foreign.cpus", func(a *Actual) { a.Foreign.CPUs = math.NaN() }},
		{"foreign.ports[0].port", func(a *Actual) { a.Foreign.Ports[0] = 70000 }},
		{"refused", func(a *Actual) { a.Refused[""] = "x" }},
		{"prepared", func(a *Actual) { a.Prepared["web"] = Prepared{} }},
		{"prepared", func(a *Actual) { a.Prepared["shop/web@-1"] = Prepared{} }},
		{"prepared", func(a *Actual) { a.Prepared["shop/web@02"] = Prepared{} }},
		{"prepared", func(a *Actual) { a.Prepared["shop/web@2"] = Prepared{Image: strings.Repeat("i", maxLabel+1)} }},
		{"prepared", func(a *Actual) { a.Prepared["shop/web@2"] = Prepared{Digest: strings.Repeat("d", maxLabel+1)} }},
		{"prepared", func(a *Actual) { a.Prepared["shop/web@2"] = Prepared{Problem: strings.Repeat("p", MaxReason+1)} }},
	} {
		a := goodActual()
		test.spoil(a)
		wantPath(t, a.Validate(), test.path)
	}
}

func TestPresenceValidate(t *testing.T) {
	good := func() *Presence {
		return &Presence{State: PresenceOnline, AgentStart: "a", Session: "s", Pools: map[ServiceKey]uint64{web: 1}}
	}
	farewell := &Presence{State: PresenceStopping, AgentStart: "a"}
	for _, p := range []*Presence{good(), farewell} {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", p.State, err)
		}
	}
	for path, spoil := range map[string]func(*Presence){
		"state":        func(p *Presence) { p.State = "" },
		"agentStart":   func(p *Presence) { p.AgentStart = "" },
		"session":      func(p *Presence) { p.Session = "" },
		"bootID":       func(p *Presence) { p.BootID = strings.Repeat("b", 257) },
		"observed.sum": func(p *Presence) { p.Observed.Sum = strings.Repeat("b", 257) },
		"pools":        func(p *Presence) { p.Pools[ServiceKey{}] = 1 },
	} {
		p := good()
		spoil(p)
		wantPath(t, p.Validate(), path)
	}
}

func TestEventBatchValidate(t *testing.T) {
	good := func() *EventBatch {
		return &EventBatch{Numbering: "n", First: 1, Events: []Event{
			{ID: "a-1", Type: EventImageDiffers, Time: time.Unix(0, 0), Data: EventData{Message: "so", Service: &ServiceKey{}}},
		}}
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a right one: %v", err)
	}
	for _, test := range []struct {
		path  string
		spoil func(*EventBatch)
	}{
		{"first", func(b *EventBatch) { b.First = 0 }},
		{"first", func(b *EventBatch) { b.First = math.MaxUint64 }},
		{"numbering", func(b *EventBatch) { b.Numbering = strings.Repeat("n", 257) }},
		{"events", func(b *EventBatch) { b.Events = make([]Event, 1001) }},
		{"events[0].id", func(b *EventBatch) { b.Events[0].ID = "" }},
		{"events[0].type", func(b *EventBatch) { b.Events[0].Type = "muster.a/b" }},
		{"events[0].type", func(b *EventBatch) { b.Events[0].Type = "muster." }},
		{"events[0].type", func(b *EventBatch) { b.Events[0].Type = "muster." + strings.Repeat("a", 65) }},
		{"events[0].time", func(b *EventBatch) {
			b.Events[0].Time = time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("east", 3600))
		}},
		{"events[0].subject", func(b *EventBatch) { b.Events[0].Subject = strings.Repeat("s", 257) }},
		{"events[0].data.message", func(b *EventBatch) { b.Events[0].Data.Message = strings.Repeat("s", MaxMessage+1) }},
		{"events[0].data.service", func(b *EventBatch) { b.Events[0].Data.Service = &ServiceKey{Name: "x"} }},
		{"events[0].data.version", func(b *EventBatch) { b.Events[0].Data.Version = -1 }},
		{"events[0].data.detail", func(b *EventBatch) { b.Events[0].Data.Detail = make([]byte, maxDetail+1) }},
	} {
		b := good()
		test.spoil(b)
		wantPath(t, b.Validate(), test.path)
	}
}

func TestEveryEventTypeIsValid(t *testing.T) {
	for _, kind := range []string{EventHostEventsDropped, EventImagesPruned, EventInstanceExited, EventInstanceFailed, EventInstanceRestored, EventInstanceStarted, EventEngineDown, EventEngineUp, EventMessageRefused} {
		if !eventName.MatchString(kind) {
			t.Errorf("%s is refused", kind)
		}
	}
}

func TestAnswerValidate(t *testing.T) {
	if err := (&Answer{ID: "A_b-1"}).Validate(); err != nil {
		t.Error(err)
	}
	wantPath(t, (&Answer{}).Validate(), "id")
	wantPath(t, (&Answer{ID: "a/b"}).Validate(), "id")
	wantPath(t, (&Answer{ID: "a", Images: []PrunedImage{{ID: "sha256:1", Bytes: -1}}}).Validate(), "images[0].bytes")
	wantPath(t, (&Answer{ID: "a", Images: []PrunedImage{{Names: []string{"web:1"}}}}).Validate(), "images[0].id")
	wantPath(t, (&Answer{ID: "a", Images: []PrunedImage{{ID: "sha256:1", Names: []string{""}}}}).Validate(), "images[0].names[0].name")
	wantPath(t, (&Answer{ID: "a", Images: make([]PrunedImage, maxImages+1)}).Validate(), "images")
	wantPath(t, (&Answer{ID: "a", Output: strings.Repeat("s", MaxOutput+1)}).Validate(), "output")
	wantPath(t, (&Answer{ID: "a", Problem: strings.Repeat("s", MaxReason+1)}).Validate(), "problem")
}

func wantPath(t *testing.T, err error, path string) {
	t.Helper()
	invalid, ok := err.(*Error)
	if !ok || invalid.Code != CodeInvalid || invalid.Path != path {
		t.Errorf("got %v, want an error at %s", err, path)
	}
}
