package turn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// exchange gives a host another agent, which knows these features of balancers.
func (w *world) exchange(host string, features ...string) {
	h := w.hosts[host]
	h.facts.Balancers = slices.Clone(h.facts.Balancers)
	h.facts.Balancers[0].Features = features
}

var everything = []string{
	fleet.BalancerAlgorithms, fleet.BalancerGRPC, fleet.BalancerMetrics, fleet.BalancerParked, fleet.BalancerProxy, fleet.BalancerRouting,
	fleet.BalancerSnippets, fleet.BalancerSticky, fleet.BalancerTimeouts, fleet.BalancerTLS,
}

// olderBalancer is a world like that of upgrading, whose balancer's agent is of the
// release before rollouts: it fails when that is sent what it doesn't know.
func olderBalancer(t *testing.T, spec *fleet.RolloutSpec) *world {
	w := upgrading(t, spec)
	w.exchange("web1")
	w.pass(5 * time.Second)
	w.folded = func() {
		pool := w.hosts["web1"].pools[web]
		for _, e := range pool.Endpoints {
			if e.State == fleet.EndpointParked {
				t.Fatalf("an older agent is sent %+v", e)
			}
		}
		for _, r := range pool.Routes {
			if r.Protocol == fleet.ProtocolGRPC {
				t.Fatalf("an older agent is sent %+v", r)
			}
		}
	}
	return w
}

func TestARolloutThatAnOlderAgentCantDoWaitsForItsUpgrade(t *testing.T) {
	blueGreen := &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Verify: canary().Verify}
	for name, spec := range map[string]*fleet.RolloutSpec{"canary": canary(25, 50), "blue-green": blueGreen} {
		t.Run(name, func(t *testing.T) {
			w := olderBalancer(t, spec)
			if reply := w.version(2, spec); reply.Err != nil {
				t.Fatal(reply.Err)
			}
			w.pass(12 * time.Minute)
			r := w.wantRollout(fleet.RolloutPaused)
			why := "web1/haproxy: its agent doesn't know parked; upgrade the agent on web1"
			if r.PauseReason != fleet.PauseAgent || r.Why != why {
				t.Errorf("paused (%s): %s", r.PauseReason, r.Why)
			}
			v := w.wantState(fleet.ServiceHeld)
			if len(v.Reasons) == 0 || !strings.Contains(v.Reasons[0], why+" (or muster rollout shop/web abort)") {
				t.Errorf("reasons %q", v.Reasons)
			}
			w.wantTraffic("v1 100% by 4")
			if len(w.s.Instances) != 4 {
				t.Errorf("%d instances", len(w.s.Instances))
			}
			for _, do := range []string{fleet.DoPromote, fleet.DoResume} {
				if reply := w.steer(do); fleet.CodeOf(reply.Err) != fleet.CodeConflict || !strings.Contains(reply.Err.Error(), why) {
					t.Errorf("%s: %v", do, reply.Err)
				}
			}
			w.folded = nil
			w.exchange("web1", everything...)
			w.pass(2 * time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
			w.wantTraffic("v2 100% by 4")
		})
	}
}

// Whoever judges by counts needs somebody who counts.
func TestARolloutIsNotJudgedByAnAgentThatCountsNothing(t *testing.T) {
	on := false
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyRolling, Verify: fleet.Verify{Off: &on}}
	w := olderBalancer(t, spec)
	w.version(2, spec)
	w.pass(time.Minute)
	if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseAgent || !strings.Contains(r.Why, "doesn't know metrics") {
		t.Errorf("paused (%s): %s", r.PauseReason, r.Why)
	}
	if reply := w.steer(fleet.DoAbort); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutRolledBack)
	w.wantTraffic("v1 100% by 4")
}

// What older agents have always known goes on: a rolling, and its way back.
func TestAnOlderAgentGetsARollingAndItsWayBack(t *testing.T) {
	for _, bad := range []bool{false, true} {
		w := olderBalancer(t, nil)
		w.broken = map[int]bool{2: bad}
		w.version(2, nil)
		if w.pass(2 * time.Minute); !bad {
			w.wantRollout(fleet.RolloutSucceeded)
			w.wantTraffic("v2 100% by 4")
			if reply := w.order(fleet.Command{Do: fleet.DoRollback, Service: web}); reply.Err != nil {
				t.Fatal(reply.Err)
			}
			w.pass(2 * time.Minute)
			w.wantRollout(fleet.RolloutSucceeded)
		} else {
			w.pass(10 * time.Minute)
			w.wantRollout(fleet.RolloutRolledBack)
		}
		w.wantTraffic("v1 100% by 4")
		w.wantState(fleet.ServiceConverged)
	}
}

// An agent that is exchanged for an older one in the middle of a canary keeps the
// traffic as it is.
func TestAnAgentGrowsOlderInACanary(t *testing.T) {
	w := upgrading(t, canary(25, 50))
	w.version(2, canary(25, 50))
	w.pass(6 * time.Second)
	w.wantTraffic("v1 75% by 4, v2 25% by 1")
	w.exchange("web1")
	w.pass(time.Minute)
	if r := w.wantRollout(fleet.RolloutPaused); r.PauseReason != fleet.PauseAgent {
		t.Fatalf("paused (%s): %s", r.PauseReason, r.Why)
	}
	w.wantTraffic("v1 75% by 4, v2 25% by 1")
	w.steer(fleet.DoAbort)
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutRolledBack)
	w.wantTraffic("v1 100% by 4")
}

// One that is exchanged while old instances are kept without traffic is sent nothing
// that it doesn't know: they have the least of the traffic then. It is never taken
// from all before others serve.
func TestWhatIsParkedHasTheLeastByAnOlderAgent(t *testing.T) {
	spec := &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Verify: canary().Verify, Keep: new(fleet.Duration(time.Hour))}
	w := upgrading(t, spec)
	w.version(2, spec)
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
	w.wantTraffic("v2 100% by 4")
	w.exchange("web1")
	w.pass(5 * time.Second)
	w.wantTraffic("v1 1% by 4, v2 99% by 4")
	w.exchange("web1", everything...)
	w.pass(5 * time.Second)
	w.wantTraffic("v2 100% by 4")
}

// Routes that an agent doesn't know are left out for it, and that is told; the
// others are offered as ever.
func TestAnOlderAgentIsSentNoRouteThatItDoesNotKnow(t *testing.T) {
	w := olderBalancer(t, nil)
	s := webService(4, "web:1")
	s.Balancing.Routes = append(s.Balancing.Routes, fleet.Route{Target: 9090, Listen: []int{9090}, Protocol: fleet.ProtocolGRPC})
	if reply := w.apply(s); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(time.Minute)
	v := w.wantState(fleet.ServiceHeld)
	if want := "held: it isn't offered by grpc on web1/haproxy: its agent doesn't know grpc; upgrade the agent on web1"; len(v.Reasons) == 0 || v.Reasons[0] != want {
		t.Errorf("reasons %q", v.Reasons)
	}
	if routes := w.hosts["web1"].pools[web].Routes; len(routes) != 1 {
		t.Errorf("routes %+v", routes)
	}
	w.folded = nil
	w.exchange("web1", everything...)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	if routes := w.hosts["web1"].pools[web].Routes; len(routes) != 2 {
		t.Errorf("routes %+v", routes)
	}
	generation := w.hosts["web1"].pools[web].Generation
	w.exchange("web1") // and back: what it can't take it has no harm of
	w.pass(time.Minute)
	w.restart()
	w.pass(time.Minute)
	w.exchange("web1", everything...)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	if pool := w.hosts["web1"].pools[web]; len(pool.Routes) != 2 || pool.Generation == generation {
		t.Errorf("pool %+v", pool)
	}
}

// TLS, say, an older agent would leave out and serve in clear text: it is sent nothing
// of such a route, and loses what it was sent before it was exchanged.
func TestAnOlderAgentIsSentNoRouteThatItWouldServeInAnotherWay(t *testing.T) {
	w := olderBalancer(t, nil)
	s := webService(4, "web:1")
	s.Balancing.Routes = append(s.Balancing.Routes, fleet.Route{
		Target: 9090, Listen: []int{443}, Protocol: fleet.ProtocolHTTP, Certificates: map[int][]string{443: {"shop"}}, Sticky: true,
	})
	if reply := w.apply(s); reply.Err != nil {
		t.Fatal(reply.Err)
	}
	w.pass(time.Minute)
	v := w.wantState(fleet.ServiceHeld)
	if want := "held: its container port 9090 isn't offered on web1/haproxy: its agent doesn't know sticky, tls; upgrade the agent on web1"; len(v.Reasons) == 0 || v.Reasons[0] != want {
		t.Errorf("reasons %q", v.Reasons)
	}
	sent := func() int { return len(w.hosts["web1"].pools[web].Routes) }
	if sent() != 1 {
		t.Errorf("routes %+v", w.hosts["web1"].pools[web].Routes)
	}
	w.exchange("web1", everything...)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	if sent() != 2 {
		t.Errorf("routes %+v", w.hosts["web1"].pools[web].Routes)
	}
	s.Balancing.Routes = s.Balancing.Routes[1:]
	w.apply(s)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	w.exchange("web1")
	w.pass(time.Minute)
	if pool, sent := w.hosts["web1"].pools[web]; sent && !pool.Removed {
		t.Errorf("an older one is sent %+v", pool)
	}
}

func TestAServiceOfNothingElseIsNotSentToAnOlderAgent(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1")
	w.hosts["web1"].facts.Balancers[0].Features = nil
	w.join()
	s := webService(2, "web:1")
	s.Balancing.Routes = []fleet.Route{{Target: 9090, Listen: []int{9090}, Protocol: fleet.ProtocolGRPC}}
	w.apply(s)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceHeld)
	if pool, sent := w.hosts["web1"].pools[web]; sent {
		t.Errorf("it is sent %+v", pool)
	}
	w.exchange("web1", everything...)
	w.pass(time.Minute)
	w.wantState(fleet.ServiceConverged)
	w.exchange("web1") // which refuses that, and goes on
	w.pass(time.Minute)
	if pool := w.hosts["web1"].pools[web]; pool.Removed || len(pool.Routes) != 1 {
		t.Errorf("it is sent %+v", pool)
	}
}

// An agent that learns to prepare while a rollout waits for others is asked to, and
// a hub that starts meanwhile takes nothing back that hosts are to prepare.
func TestWhoLearnsToPrepareIsAskedToAndStaysAsked(t *testing.T) {
	w := upgrading(t, nil)
	key := fleet.VersionKey(web, 2)
	features := w.hosts["web3"].facts.Features
	w.hosts["web3"].facts.Features = nil
	for _, h := range w.hosts {
		h.lacks = map[string]string{key: "the registry doesn't answer"}
	}
	w.pass(2 * time.Second)
	w.version(2, nil)
	w.pass(2 * time.Second)
	if asked := w.hosts["web3"].desired.Prepare; len(asked) > 0 {
		t.Errorf("an older agent is asked to prepare %v", asked)
	}
	w.hosts["web3"].facts.Features = features
	w.pass(2 * time.Second)
	if asked := w.hosts["web3"].desired.Prepare; len(asked) != 1 {
		t.Errorf("a newer agent is asked to prepare %v", asked)
	}
	w.restart()
	w.order(fleet.Command{Do: fleet.DoFreeze, Host: "web3"}) // so that it is told something
	for id, h := range w.hosts {
		if !slices.Equal(h.desired.Prepare, []string{key}) {
			t.Errorf("%s is asked to prepare %v", id, h.desired.Prepare)
		}
	}
	w.order(fleet.Command{Do: fleet.DoUnfreeze, Host: "web3"})
	for _, h := range w.hosts {
		h.lacks = nil
	}
	w.pass(2 * time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
}

// A hub that starts knows what its balancers' agents know before it hears them:
// it changes no pool.
func TestARestartedHubKnowsWhatAgentsKnow(t *testing.T) {
	w := upgrading(t, &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Verify: canary().Verify})
	w.version(2, &fleet.RolloutSpec{Strategy: fleet.StrategyBlueGreen, Verify: canary().Verify, Keep: new(fleet.Duration(time.Hour))})
	w.pass(time.Minute)
	w.wantRollout(fleet.RolloutSucceeded)
	before := w.hosts["web1"].pools[web]
	if !slices.ContainsFunc(before.Endpoints, func(e fleet.Endpoint) bool { return e.State == fleet.EndpointParked }) {
		t.Fatalf("nobody is parked: %+v", before.Endpoints)
	}
	w.restart()
	w.step(Tick{})
	w.pass(30 * time.Second)
	if after := w.hosts["web1"].pools[web]; after.Generation != before.Generation {
		t.Errorf("the pool is %+v", after)
	}
}
