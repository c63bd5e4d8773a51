package turn

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/shared/fleet"
)

func TestTheStagesOfAnInstance(t *testing.T) {
	w := newWorld(t, "web1", "web2").withBalancer("web1").withBalancer("web2").join()
	w.apply(webService(1, "web:1"))
	w.pass(5 * time.Second)
	in := w.view().Instances(web, "")[0]
	w.order(fleet.Command{Do: fleet.DoRemove, Service: web})
	w.pass(20 * time.Second)
	var got []string
	for _, s := range w.stages {
		if s.Instance != in.ID || s.Service != web || s.Host != in.Host || s.Cause == "" {
			t.Errorf("%+v isn't of %s on %s", s, in.ID, in.Host)
		}
		switch s.Kind {
		case StageTold:
			got = append(got, "told to "+s.Goal)
		case StageOffered:
			got = append(got, fmt.Sprintf("offered in %d as %s", s.Pools, s.State))
		case StageReleased:
			got = append(got, fmt.Sprintf("%s by %s", s.How, s.Balancer))
		}
	}
	want := []string{
		"told to run", "offered in 2 as ready", "offered in 2 as draining",
		"told to stop", "drained by web1/haproxy", "drained by web2/haproxy", "offered in 2 as ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAHostThatWasAwayIsUpSinceItIsBack(t *testing.T) {
	w := newWorld(t, "web1").join()
	since, up := w.s.Up("web1")
	if !up {
		t.Fatal("it isn't up")
	}
	w.hosts["web1"].cut = true
	w.pass(15 * time.Second)
	if _, up := w.s.Up("web1"); up {
		t.Error("silent, it is up")
	}
	w.hosts["web1"].cut = false
	w.pass(5 * time.Second)
	if again, up := w.s.Up("web1"); !up || !again.After(since) {
		t.Errorf("back, it is up %v since %v, before %v", up, again, since)
	}
	if _, up := w.s.Up("web9"); up {
		t.Error("a host that nobody knows is up")
	}
}

func TestOnlyEndpointsThatMovedAreNamed(t *testing.T) {
	list := func(pairs ...string) (out []fleet.Endpoint) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, fleet.Endpoint{Instance: pairs[i], State: pairs[i+1]})
		}
		return out
	}
	var got []string
	eachMove(
		list("a", "ready", "b", "ready", "d", "draining", "f", "ready"),
		list("a", "ready", "b", "draining", "c", "preparing", "f", "ready", "g", "ready"),
		func(id, state string) { got = append(got, id+" "+state) })
	if diff := cmp.Diff([]string{"b draining", "c preparing", "d ", "g ready"}, got); diff != "" {
		t.Error(diff)
	}
}
