package turn

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// world is a hub's brain with hosts that do at once what they are asked to,
// as far as the test lets them.
type world struct {
	t     tester
	s     *State
	now   time.Time
	hosts map[string]*fakeHost
	seq   uint64
	// broken instances never get ready.
	broken map[int]bool // by version
	// failing is how many of a hundred requests a version fails; idle: nobody sends any.
	failing map[int]uint64
	idle    bool
	events  []fleet.Event
	// stages are those that instances went through, without events of their own.
	stages []Stage
	// statuses are those of web that were told, in order.
	statuses [][]byte
	stored   map[string]Row // by table and key
	apart    bool           // each input is a turn of its own
	// stepped, if set, sees each turn before it is folded in.
	stepped func(inputs []Input, delta *Delta, out Outputs)
	folded  func() // if set, is called after each turn
}

// tester is what tests, benchmarks, fuzz tests and properties have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

type fakeHost struct {
	id       string
	cut      bool // messages get lost both ways
	desired  fleet.Desired
	gen      uint64
	epoch    uint64
	lineage  string // of the hub that it follows; empty: none yet
	pools    map[fleet.ServiceKey]fleet.Pool
	balancer bool
	down     bool                            // the balancer doesn't run
	deaf     bool                            // the balancer acknowledges nothing
	trouble  string                          // the balancer's problem
	stuck    map[fleet.ServiceKey]fleet.Pool // pools that the balancer keeps
	drained  bool                            // connections end
	checks   map[string]string               // by instance; default passing
	dead     map[string]bool                 // containers that don't run
	unready  map[string]bool                 // probes that fail
	stopped  map[string]bool
	facts    fleet.HostFacts
	start    string                           // the agent's
	fresh    map[string]bool                  // endpoints that no check of the balancer has passed
	lingers  bool                             // what is to stop doesn't end
	extra    map[string]*fleet.InstanceActual // containers that may be unclaimed
	has      map[string]*fleet.InstanceActual // as last reported
	foreign  []int                            // ports of other programs
	restarts map[string]int                   // of instances
	lacks    map[string]string                // versions whose image it can't fetch, and why
	ended    map[fleet.ServiceKey]int         // services whose instances have ended, and with which code
	counts   map[string]fleet.EndpointCounts  // by instance
	left     bool                             // it was told to leave, and remembers it
	over     bool                             // its agent has left, and ended
}

func newWorld(t tester, hosts ...string) *world {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{t: t, now: start, hosts: map[string]*fakeHost{}, broken: map[int]bool{}, stored: map[string]Row{}, s: New("lineage", 1, 0, start, DefaultOptions())}
	for _, id := range hosts {
		w.add(id)
	}
	return w
}

// add has one more host, which joins with its first report.
func (w *world) add(id string) {
	w.hosts[id] = &fakeHost{
		id: id, start: "a", pools: map[fleet.ServiceKey]fleet.Pool{}, drained: true, checks: map[string]string{}, fresh: map[string]bool{}, dead: map[string]bool{}, unready: map[string]bool{}, stopped: map[string]bool{}, counts: map[string]fleet.EndpointCounts{},
		facts: fleet.HostFacts{
			Hostname: id, CPUs: 2, Memory: 1 << 30, Advertise: fmt.Sprintf("10.0.0.%d", len(w.hosts)+1), MachineID: "m-" + id, BootID: "boot",
			Features: []string{fleet.FeatureHostPort, fleet.FeatureLeave, fleet.FeatureMountBind, fleet.FeatureMountVolume, fleet.FeatureProbeHTTP, fleet.FeatureResources},
		},
	}
}

// withBalancer gives the host a balancer.
func (w *world) withBalancer(id string) *world {
	h := w.hosts[id]
	h.balancer = true
	h.facts.Balancers = []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy", Address: h.facts.Advertise, Features: everything}}
	return w
}

func (w *world) step(inputs ...Input) (out Outputs) {
	w.t.Helper()
	if !w.apart {
		return w.turn(inputs)
	}
	for _, in := range inputs {
		out = w.turn([]Input{in})
	}
	return out
}

func (w *world) turn(inputs []Input) Outputs {
	w.t.Helper()
	delta, out := Step(w.s, inputs, w.now)
	rows, err := delta.Rows()
	if err != nil {
		w.t.Fatal(err)
	}
	if delta.Stored() != (len(rows)+len(delta.Events()) > 0) {
		w.t.Fatalf("stored is %v with %d rows and %d events", delta.Stored(), len(rows), len(delta.Events()))
	}
	if w.stepped != nil {
		w.stepped(inputs, delta, out)
	}
	for _, row := range rows {
		w.stored[row.Table+" "+row.Key] = row
		if row.Value == nil {
			delete(w.stored, row.Table+" "+row.Key)
		}
	}
	w.stages = append(w.stages, delta.Stages()...)
	delta.Fold()
	if w.folded != nil {
		w.folded()
	}
	w.events = append(w.events, out.Events...)
	sums := map[string]string{} // of pools, by host, service and generation: agents take no second content
	for _, p := range out.Publish {
		if env, err := wire.Open(p.Payload, nil); err == nil && strings.Contains(p.Topic, "/"+wire.LeafPools+"/") {
			at := fmt.Sprint(p.Topic, " ", env.Generation)
			if before := sums[at]; before != "" && before != env.Sum {
				w.t.Fatalf("%s is published with two contents", at)
			}
			sums[at] = env.Sum
		}
		w.deliver(p)
	}
	return out
}

func (w *world) deliver(p Publish) {
	if p.Topic == wire.ServiceStatus(web) {
		w.statuses = append(w.statuses, p.Payload)
	}
	id, leaf, _, ok := wire.HostTopic(p.Topic)
	h := w.hosts[id]
	if !ok || h == nil || h.cut || len(p.Payload) == 0 || h.left && leaf != wire.LeafAck {
		return
	}
	switch leaf {
	case wire.LeafDesired:
		before := h.desired.Instances
		env := w.open(p.Payload, &h.desired)
		h.lineage, h.epoch, h.gen = env.Lineage, env.Epoch, env.Generation
		h.left = h.left || h.desired.Leave != ""
		h.leftOut(before)
	case wire.LeafAck:
		var ack fleet.Ack
		w.open(p.Payload, &ack)
		h.over = h.over || h.left && ack.Left
	case wire.LeafPools:
		var pool fleet.Pool
		w.open(p.Payload, &pool)
		h.pools[pool.Service] = pool
	}
}

func (w *world) open(payload []byte, body any) wire.Envelope {
	switch body := body.(type) {
	case *fleet.Desired:
		*body = fleet.Desired{}
	case *fleet.Ack:
		*body = fleet.Ack{}
	}
	env, err := wire.Open(payload, body)
	if err != nil {
		w.t.Fatal(err)
	}
	return env
}

// report is what the host says now.
func (w *world) report(h *fakeHost) []Input {
	w.seq++
	observed := fleet.Observed{Lineage: h.lineage, Epoch: h.epoch, Generation: h.gen}
	switch {
	case h.over:
		return nil
	case h.left:
		return []Input{PresenceIn{Host: h.id, Presence: fleet.Presence{State: fleet.PresenceLeft, BootID: "boot", AgentStart: h.start, Session: "s" + h.start, Observed: observed}}}
	}
	a := fleet.Actual{Host: h.id, Facts: h.facts, AgentStart: h.start, Session: "s" + h.start, Observed: observed, Engine: fleet.EngineStatus{Up: true}, Foreign: fleet.Foreign{Ports: h.foreign}}
	known := map[string]bool{}
	for _, as := range h.desired.Instances {
		in := fleet.InstanceActual{ID: as.ID, Service: as.Service, Version: as.Version, Slot: as.Slot, Phase: fleet.PhaseRunning, Address: h.facts.Advertise, Ports: h.ports(as, 20000+10*len(a.Instances)), Image: "sha256:1"}
		if spec, known := h.desired.Versions[fleet.VersionKey(as.Service, as.Version)]; known {
			in.Spec = spec.Sum()
		}
		in.Ready, in.Restarts = !w.broken[as.Version] && !h.unready[as.ID], h.restarts[as.ID]
		if h.dead[as.ID] {
			in.Phase, in.Ready, in.Reason = fleet.PhaseBackoff, false, "exited with code 1"
		}
		if code, ended := h.ended[as.Service]; ended {
			in.Phase, in.Ready, in.ExitCode = fleet.PhaseExited, false, code
		}
		if as.Goal == fleet.GoalStop && h.lingers {
			in.Phase, in.Ready = fleet.PhaseStopping, false
		} else if as.Goal == fleet.GoalStop {
			in.Phase, in.Ready = fleet.PhaseStopped, false
			h.stopped[as.ID] = true
			delete(h.extra, as.ID)
		}
		known[as.ID] = true
		h.has = with(h.has, as.ID, &in)
		a.Instances = append(a.Instances, in)
	}
	for _, id := range sorted(h.extra, byText) {
		if !known[id] {
			in := *h.extra[id]
			in.Unclaimed = true
			a.Instances = append(a.Instances, in)
		}
	}
	for _, key := range h.desired.Prepare {
		p := fleet.Prepared{Image: "sha256:1", Problem: h.lacks[key]}
		if p.Problem != "" {
			p.Image = ""
		}
		a.Prepared = with(a.Prepared, key, p)
	}
	if h.balancer {
		b := fleet.BalancerActual{Name: "haproxy", Driver: "haproxy", Up: !h.down, Problem: h.trouble}
		h.forgetPools()
		for _, key := range sorted(h.pools, fleet.ServiceKey.Less) {
			pool := h.pools[key]
			if kept, stuck := h.stuck[key]; stuck {
				pool = kept
			}
			if !h.deaf {
				b.Pools = append(b.Pools, h.applied(pool))
			}
		}
		a.Balancers = []fleet.BalancerActual{b}
	}
	p := fleet.Presence{State: fleet.PresenceOnline, BootID: "boot", AgentStart: h.start, Session: "s" + h.start, Observed: observed, Pools: map[fleet.ServiceKey]uint64{}}
	for key, pool := range h.pools {
		p.Pools[key] = pool.Generation
	}
	return []Input{PresenceIn{Host: h.id, Presence: p}, ActualIn{Host: h.id, Sequence: w.seq, Actual: a}}
}

// counted is what the host's balancer has counted of pools that are measured: ten
// requests a second for each instance that gets traffic.
func (w *world) counted(h *fakeHost) []Input {
	m := fleet.Metrics{Host: h.id, AgentStart: h.start}
	for _, key := range sorted(h.pools, fleet.ServiceKey.Less) {
		pool := h.pools[key]
		if !h.balancer || !pool.Measure {
			continue
		}
		p := fleet.PoolMetrics{Service: key, Balancer: "haproxy"}
		for _, e := range pool.Endpoints {
			c := h.counts[e.Instance]
			if c.Instance, c.Version = e.Instance, e.Version; e.State == fleet.EndpointReady && e.Weight > 0 && !w.idle {
				c.Requests += 10
				c.Failed = c.Requests * w.failing[e.Version] / 100
			}
			h.counts[e.Instance] = c
			p.Endpoints = append(p.Endpoints, c)
		}
		m.Pools = append(m.Pools, p)
	}
	if len(m.Pools) == 0 {
		return nil
	}
	return []Input{MetricsIn{Host: h.id, Metrics: m}}
}

// leftOut keeps what a desired state doesn't name any more, as agents do.
func (h *fakeHost) leftOut(before []fleet.Assignment) {
	named := map[string]bool{}
	for _, as := range h.desired.Instances {
		named[as.ID] = true
	}
	for _, as := range before {
		if !named[as.ID] && !h.stopped[as.ID] && h.has[as.ID] != nil {
			h.extra = with(h.extra, as.ID, h.has[as.ID])
		}
	}
}

// ports gives what an assignment publishes ports from first on.
func (h *fakeHost) ports(as fleet.Assignment, first int) map[int]int {
	out := map[int]int{}
	if had := h.has[as.ID]; had != nil && len(had.Ports) > 0 {
		return had.Ports
	}
	for i, p := range h.desired.Versions[fleet.VersionKey(as.Service, as.Version)].Publish {
		if out[p.Target] = p.HostPort; p.HostPort == 0 {
			out[p.Target] = first + i
		}
	}
	return out
}

// forgetPools drops what was removed and left the index; what the index merely
// lacks stays.
func (h *fakeHost) forgetPools() {
	indexed := map[fleet.ServiceKey]bool{}
	for _, ref := range h.desired.Pools {
		indexed[ref.Service] = true
	}
	for key, pool := range h.pools {
		if pool.Removed && !indexed[key] {
			delete(h.pools, key)
		}
	}
}

func (h *fakeHost) applied(pool fleet.Pool) fleet.PoolActual {
	out := fleet.PoolActual{Service: pool.Service, Generation: pool.Generation}
	for _, e := range pool.Endpoints {
		check := h.checks[e.Instance]
		if h.fresh[e.Instance] {
			out.Endpoints = append(out.Endpoints, fleet.EndpointActual{Instance: e.Instance, State: fleet.EndpointDraining, Check: fleet.CheckFailing, Drained: e.State == fleet.EndpointDraining})
			continue
		}
		if check == "" {
			check = fleet.CheckPassing
		}
		out.Endpoints = append(out.Endpoints, fleet.EndpointActual{
			Instance: e.Instance, State: e.State, Check: check, Drained: e.State == fleet.EndpointDraining && h.drained,
		})
	}
	return out
}

// pass lets time go by; every host that isn't cut off reports each second.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		var inputs []Input
		for _, id := range sorted(w.hosts, byText) {
			if h := w.hosts[id]; !h.cut {
				inputs = append(append(inputs, w.report(h)...), w.counted(h)...)
			}
		}
		w.step(append(inputs, Tick{})...)
		w.tallied()
	}
}

// join has every host report once.
func (w *world) join() *world {
	w.t.Helper()
	w.pass(2 * time.Second)
	return w
}

var web = fleet.ServiceKey{Project: "shop", Name: "web"}

func webService(count int, image string) fleet.Service {
	return fleet.Service{
		Key: web, Mode: fleet.ModeReplicated, Count: count, CountStated: true,
		Spec:      fleet.Spec{Image: image, Publish: []fleet.Publish{{Target: 80, Protocol: "tcp"}}},
		Balancing: &fleet.Balancing{Routes: []fleet.Route{{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}}},
	}
}

func (w *world) apply(services ...fleet.Service) Reply {
	w.t.Helper()
	w.seq++
	out := w.step(CommandIn{fleet.Command{ID: fmt.Sprintf("cmd-%d", w.seq), Do: fleet.DoApply, Project: "shop", Services: services}})
	return out.Replies[0]
}

func (w *world) order(c fleet.Command) Reply {
	w.t.Helper()
	w.seq++
	c.ID = fmt.Sprintf("cmd-%d", w.seq)
	return w.step(CommandIn{c}).Replies[0]
}

func (w *world) view() View { return w.s.View(w.now) }

func (w *world) service() fleet.ServiceView {
	w.t.Helper()
	v, ok := w.view().Service(web)
	if !ok {
		w.t.Fatal("there is no service")
	}
	return v
}

func (w *world) wantState(state string) fleet.ServiceView {
	w.t.Helper()
	v := w.service()
	if v.State != state {
		w.t.Fatalf("service is %s, want %s: %v", v.State, state, v.Reasons)
	}
	return v
}

// spread counts running instances by host.
func (w *world) spread() map[string]int {
	out := map[string]int{}
	for _, in := range w.s.Instances {
		if in.Goal == fleet.GoalRun {
			out[in.Host]++
		}
	}
	return out
}
