package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func TestOnlyStuck(t *testing.T) {
	frozen := openGoal{progress: progress{stuck: true}}
	moving := openGoal{still: time.Hour}
	held := func(still time.Duration) openGoal { return openGoal{progress: progress{held: true}, still: still} }
	for name, test := range map[string]struct {
		open []openGoal
		want bool
	}{
		"frozen":                    {[]openGoal{frozen}, true},
		"on the way, if slowly":     {[]openGoal{moving}, false},
		"held just now":             {[]openGoal{held(heldFor - 1)}, false},
		"held for long":             {[]openGoal{held(heldFor)}, true},
		"held, and another frozen":  {[]openGoal{held(heldFor), frozen}, true},
		"held, and another goes on": {[]openGoal{held(heldFor), moving}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := onlyStuck(test.open); (got != nil) != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestLookTellsStillFromMoving: one reason more is a change, even one that
// the line of progress leaves out.
func TestLookTellsStillFromMoving(t *testing.T) {
	var output bytes.Buffer
	s := &session{program: &program{stderr: &output}}
	now := progress{held: true, text: "1/9 ready, held", why: []string{"a", "b", "c", "d"}}
	goals := []goal{{name: "shop/web", look: func(context.Context, *client.Client) (progress, error) { return now, nil }}}
	said := make([]saying, 1)
	look := func() openGoal {
		open, err := s.look(t.Context(), goals, said)
		if err != nil || len(open) != 1 {
			t.Fatalf("%v, %v", open, err)
		}
		return open[0]
	}
	look()
	said[0].since = said[0].since.Add(-heldFor)
	if o := look(); o.still < heldFor {
		t.Errorf("still for %s", o.still)
	}
	now.why = []string{"a", "b", "c", "e"}
	if o := look(); o.still >= heldFor {
		t.Errorf("it changed, and is still for %s", o.still)
	}
	now = progress{text: "2/9 ready", why: []string{"f"}}
	look() // what moves is said now and then
	said[0].at = said[0].at.Add(-sayEvery)
	look()
	now.text, now.why = "9/9 ready", nil
	now.done = true
	if _, err := s.look(t.Context(), goals, said); err != nil {
		t.Fatal(err)
	}
	if want := "shop/web  1/9 ready, held: a; b; and 2 more\nshop/web  2/9 ready: f\nshop/web  9/9 ready\n"; output.String() != want {
		t.Errorf("said %q", output.String())
	}
}

func TestServedAt(t *testing.T) {
	ports := map[int]int{80: 20001, 9090: 20002}
	for name, test := range map[string]struct {
		listen []string
		e      fleet.Endpoint
		want   string
	}{
		"the first route":  {[]string{"http 10.0.0.9:8080 -> 9090", "tcp 10.0.0.9:81 -> 80"}, fleet.Endpoint{Address: "10.0.0.1", Ports: ports}, "10.0.0.1:20002"},
		"IPv6":             {[]string{"http [2001:db8::9]:8080 -> 80"}, fleet.Endpoint{Address: "2001:db8::1", Ports: ports}, "[2001:db8::1]:20001"},
		"no route is left": {nil, fleet.Endpoint{Address: "10.0.0.1", Ports: ports}, "10.0.0.1"},
		"no such port":     {[]string{"http 10.0.0.9:8080 -> 70"}, fleet.Endpoint{Address: "10.0.0.1", Ports: ports}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := servedAt(fleet.PoolView{Listen: test.listen}, test.e); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
