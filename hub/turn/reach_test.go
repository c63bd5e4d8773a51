package turn

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// What was seen long ago says nothing about a balancer now.
func TestLooksGoStale(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, test := range []struct {
		name  string
		looks []int // seconds at which a look failed; negative: it succeeded
		now   int
		want  bool
	}{
		{"never looked", nil, 60, false},
		{"fails all the time", []int{1, 6, 11, 16, 21, 26, 31}, 32, true},
		{"not yet for long enough", []int{1, 6, 11, 16, 21, 26}, 32, false},
		{"answered once between", []int{1, 6, 11, -16, 21, 26, 31}, 32, false},
		{"one look got lost", []int{1, 6, 11, 21, 26, 31}, 32, true},
		{"nobody looked between", []int{1, 31}, 32, false},
		{"failed long ago", []int{1, 6, 11, 16, 21, 26, 31}, 300, false},
		{"failed long ago and once now", []int{1, 6, 11, 16, 21, 26, 31, 300}, 301, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var u Unreached
			for _, second := range test.looks {
				u = u.failed(second < 0, at(max(second, -second)), at(max(second, -second)))
			}
			if got := u.lasts(DefaultOptions(), at(test.now)); got != test.want {
				t.Errorf("lasts is %v", got)
			}
		})
	}
}

// One look tries several listeners, and one of them may refuse for ever.
func TestALookThatOneListenerAnswersDoesNotFail(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(listensOnly(web.Name, 80), listensOnly("zzz", 82))
	w.pass(5 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(15 * time.Second)
	w.order(fleet.Command{Do: fleet.DoStop, Service: web})
	looks := 0
	for range 60 {
		w.now = w.now.Add(time.Second)
		for _, r := range w.step(append(w.report(w.hosts["web2"]), Tick{})...).Reach {
			looks++
			ok := strings.HasSuffix(r.Address, ":80")
			s := w.s.silences[r.Balancer]
			w.step(ReachedIn{Balancer: r.Balancer, OK: ok}, AnswerIn{Host: s.Witness, Answer: fleet.Answer{ID: s.AskID + "-0", Looked: true, OK: ok}})
			if s = w.s.silences[r.Balancer]; !ok && (!s.Hub.Since.IsZero() || !s.Agent.Since.IsZero()) {
				t.Fatalf("after %d: out of reach since %s, %s", looks, s.Hub.Since, s.Agent.Since)
			}
		}
	}
	if looks < 10 {
		t.Errorf("looked %d times", looks)
	}
}

// A balancer whose agent is dead lacks what was applied since. It is alive
// as long as any of its listeners answers.
func TestAllListenersOfASilentBalancerAreLookedAt(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(webService(2, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(15 * time.Second)
	fresh := webService(1, "web:1")
	fresh.Key.Name = "aaa"
	fresh.Balancing.Routes[0].Listen = []int{81}
	w.apply(webService(1, "web:1"), fresh)
	looked := map[string]bool{}
	for range 15 {
		w.now = w.now.Add(time.Second)
		for _, r := range w.step(append(w.report(w.hosts["web2"]), Tick{})...).Reach {
			looked[r.Address] = true
		}
	}
	if !looked["10.0.0.1:80"] || !looked["10.0.0.1:81"] {
		t.Errorf("looked at %v", looked)
	}
}

// A balancer whose agent is dead listens on the ports that it had, however its
// pools change and however many there are now.
func TestFormerListenersOfASilentBalancerAreLookedAt(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.apply(listensOnly(web.Name, 80))
	w.pass(5 * time.Second)
	w.apply(listensOnly(web.Name, 81))
	w.pass(5 * time.Second)
	w.apply(listensOnly(web.Name, 81), listensOnly("zzz", 82)) // all that is acknowledged
	w.pass(5 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(15 * time.Second)
	after := []fleet.Service{listensOnly(web.Name, 83), listensOnly("zzz", 84)}
	for i := range looksAtOnce {
		after = append(after, listensOnly("new"+strconv.Itoa(i), 90+i))
	}
	w.apply(after...)
	w.pass(time.Second)
	w.apply(append(after[2:], listensOnly(web.Name, 85), listensOnly("zzz", 84))...)
	looked := map[string]bool{}
	for range 15 {
		w.now = w.now.Add(time.Second)
		for _, r := range w.step(append(w.report(w.hosts["web2"]), Tick{})...).Reach {
			looked[r.Address] = true
		}
	}
	if !looked["10.0.0.1:81"] || !looked["10.0.0.1:82"] || looked["10.0.0.1:80"] {
		t.Errorf("looked at %v", looked)
	}
}

// listensOnly is a service that listens on one port and nowhere else.
func listensOnly(name string, port int) fleet.Service {
	s := webService(1, "web:"+strconv.Itoa(port))
	s.Key.Name = name
	s.Spec.Publish[0].Target = port
	s.Balancing.Routes[0].Target, s.Balancing.Routes[0].Listen = port, []int{port}
	return s
}

// An agent that can't look is no witness. It doesn't stand in the way of one
// that can, and that one goes on: its looks have to follow each other.
func TestTheWitnessIsOneThatCanLook(t *testing.T) {
	w := newWorld(t, "web1", "web2", "web3", "web4").withBalancer("web1").join()
	w.apply(webService(4, "web:1"))
	w.pass(5 * time.Second)
	w.hosts["web1"].cut = true
	w.pass(15 * time.Second)
	w.order(fleet.Command{Do: fleet.DoScale, Service: web, Count: 1})
	var asked []string // from the second look on: web2 was asked at once
	for range 25 {
		w.now = w.now.Add(time.Second)
		var inputs []Input
		for _, id := range []string{"web2", "web3", "web4"} {
			inputs = append(inputs, w.report(w.hosts[id])...)
		}
		for _, r := range w.step(append(inputs, Tick{})...).Reach {
			s := w.s.silences[r.Balancer]
			asked = append(asked, s.Witness)
			w.step(AnswerIn{Host: s.Witness, Answer: fleet.Answer{ID: s.AskID + "-0", Looked: s.Witness == "web4"}})
		}
	}
	if got := strings.Join(asked, " "); got != "web3 web4 web4 web4 web4" {
		t.Errorf("asked %s", got)
	}
}

// A balancer that is silent already is looked at in the turn that gives it its first
// listener: there is nothing more to do for another turn at the same moment.
func TestASilentBalancerIsLookedAtWithItsFirstListener(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").join()
	w.hosts["web1"].cut = true
	w.step(PresenceIn{Host: "web1", Presence: fleet.Presence{State: fleet.PresenceLost, Session: w.s.live["web1"].Presence.Session}})
	w.pass(time.Second)
	out := w.step(CommandIn{fleet.Command{ID: "cmd", Do: fleet.DoApply, Project: web.Project, Services: []fleet.Service{webService(2, "web:1")}}})
	if len(out.Reach) != 1 {
		t.Errorf("it is looked at by %v", out.Reach)
	}
	if out = w.step(Tick{}); len(out.Reach) > 0 {
		t.Errorf("and once more: %v", out.Reach)
	}
}
