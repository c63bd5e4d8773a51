package brain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// preparing asks for versions of shop/web, 2 and up, to be prepared, with these
// images.
func preparing(d fleet.Desired, images ...string) fleet.Desired {
	for i, image := range images {
		version := fleet.VersionKey(shopWeb, i+2)
		d.Versions[version] = fleet.Spec{Image: image}
		d.Prepare = append(d.Prepare, version)
	}
	return d
}

func (w *world) prepared(version int) fleet.Prepared {
	w.t.Helper()
	got, ok := w.actual.Prepared[fleet.VersionKey(shopWeb, version)]
	if !ok {
		w.t.Fatalf("nothing is told of version %d: %+v", version, w.actual.Prepared)
	}
	return got
}

// look lets what was prepared be looked at again.
func (w *world) look() {
	w.pass(brain.DefaultTiming().Look)
	w.pass(time.Second)
}

func TestAnImageIsFetchedBeforeAnythingOfItRuns(t *testing.T) {
	w := newWorld(t).connected()
	w.away["web:2"] = true
	d := preparing(desired(webSpec(), "a-1"), "web:2")
	w.send(d)
	w.settle()
	w.pass(time.Second)
	if got := w.prepared(2); got != (fleet.Prepared{Image: "sha256:bbb", Digest: "web@sha256:bbb"}) {
		t.Fatalf("reported %+v", got)
	}
	if !w.instance("a-1").Ready || len(w.boxes) != 1 {
		t.Errorf("beside it: %+v", w.actual.Instances)
	}
	w.kinds()
	w.look()
	if len(w.ops) != 1 || !w.ops[0].Local {
		t.Errorf("it is looked at with %+v", w.ops)
	}
	w.ops = nil
	d.Prepare = nil
	d.Instances = append(d.Instances, fleet.Assignment{ID: "b-1", Service: shopWeb, Version: 2, Slot: 2, Goal: fleet.GoalRun, Cause: "cmd2", Pin: "web@sha256:bbb"})
	w.send(d)
	w.settle()
	if len(w.ops) != 3 || !w.ops[0].Local || !w.instance("b-1").Ready {
		t.Errorf("it starts with %+v", w.ops)
	}
	w.kinds()
	w.pass(time.Hour)
	if got := w.kinds(); got != "" || w.actual.Prepared != nil {
		t.Errorf("nobody wants it prepared any more: %s %+v", got, w.actual.Prepared)
	}
}

func TestAPreparedImageThatIsRemovedComesAgain(t *testing.T) {
	w := newWorld(t).connected()
	w.send(preparing(desired(webSpec()), "web:2"))
	w.settle()
	w.away["web:2"], w.away["web@sha256:bbb"] = true, true
	w.hold = true
	w.look()
	w.fetching()
	w.pass(time.Second)
	if got := w.prepared(2); got != (fleet.Prepared{}) {
		t.Errorf("while it comes: %+v", got)
	}
	w.hold = false
	w.settle()
	w.pass(time.Second)
	if got := w.prepared(2); got.Image != "sha256:bbb" {
		t.Errorf("then: %+v", got)
	}
}

func TestWhatCannotBePreparedSaysWhyAndIsTriedAgain(t *testing.T) {
	w := newWorld(t).connected()
	w.send(preparing(desired(webSpec()), "web:none", "web:2"))
	w.settle()
	w.pass(100 * time.Millisecond)
	if got := w.prepared(2).Problem; got != "fetching the image failed: no such image web:none; next try in 15 s" {
		t.Errorf("reported %q", got)
	}
	if got := w.prepared(3); got.Image != "sha256:bbb" || got.Problem != "" {
		t.Errorf("the other: %+v", got)
	}
	w.images["web:none"] = brain.Image{ID: "sha256:ccc"}
	w.pass(15 * time.Second)
	w.pass(time.Second)
	if got := w.prepared(2); got != (fleet.Prepared{Image: "sha256:ccc"}) {
		t.Errorf("once it is there: %+v", got)
	}
}

func TestNothingIsPreparedWhile(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world, *fleet.Desired)
		want   string
	}{
		"the host is frozen":     {func(_ *world, d *fleet.Desired) { d.Frozen = true }, "frozen: its image isn't fetched"},
		"the service is frozen":  {func(_ *world, d *fleet.Desired) { d.FrozenServices = []fleet.ServiceKey{shopWeb} }, "frozen: its image isn't fetched"},
		"the engine is silent":   {func(w *world, _ *fleet.Desired) { w.down = true }, "the container engine doesn't answer"},
		"nothing is known of it": {func(_ *world, d *fleet.Desired) { d.Versions = nil }, "the desired state lacks its version"},
		"the agent can't run it all": {func(_ *world, d *fleet.Desired) {
			d.Versions["shop/web@2"] = fleet.Spec{Image: "web:2", Requires: []string{"magic"}}
		}, "this agent doesn't know magic: upgrade it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).connected()
			w.list()
			d := preparing(desired(webSpec()), "web:2")
			test.change(w, &d)
			w.list()
			w.send(d)
			w.settle()
			w.pass(10 * time.Second)
			if got := w.prepared(2); got.Problem != test.want || got.Image != "" || w.kinds() != "" {
				t.Errorf("reported %+v", got)
			}
		})
	}
}

func TestWhatWasPreparedStaysSoInASilence(t *testing.T) {
	w := newWorld(t).connected()
	d := preparing(desired(webSpec()), "web:2")
	w.send(d)
	w.settle()
	w.down = true
	w.look()
	d.Frozen = true
	w.send(d)
	w.look()
	if got := w.prepared(2); got.Image != "sha256:bbb" || got.Problem != "" {
		t.Errorf("reported %+v", got)
	}
}

func TestAnImageComesOnceForWhatRunsAndWhatIsPrepared(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	w.away["web:1"] = true
	d := desired(webSpec(), "a-1")
	d.Prepare = []string{"shop/web@1"}
	w.send(d)
	w.list()
	if got := w.fetching(); got != "a-1" {
		t.Fatalf("fetched for %q", got)
	}
	w.finishOne()
	w.fetching()
	w.pass(time.Second)
	if got := w.prepared(1); got.Image != "sha256:aaa" || !w.instance("a-1").Ready {
		t.Errorf("reported %+v", got)
	}
}

func TestWhatIsPreparedLeavesRoomForWhatIsToRun(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	d := desired(webSpec())
	for i := range 4 {
		image, version := fmt.Sprint("later:", i), fmt.Sprintf("shop/later%d@1", i)
		w.away[image], w.images[image] = true, brain.Image{ID: image}
		d.Versions[version] = fleet.Spec{Image: image}
		d.Prepare = append(d.Prepare, version)
	}
	w.send(d)
	w.list()
	w.fetching()
	if len(w.held) != 2 {
		t.Fatalf("fetched ahead: %+v", w.held)
	}
	w.wants(&d, "b-1", "b", "b:1")
	w.send(d)
	w.list()
	if got := strings.TrimSpace(w.fetching()); got != "b-1" {
		t.Errorf("fetched: %q", got)
	}
}

func TestThePinOfAnotherHostIsWhatIsPrepared(t *testing.T) {
	w := newWorld(t).connected()
	d := preparing(desired(webSpec()), "web:1")
	w.send(d)
	w.settle()
	d.Pins = map[string]string{"shop/web@2": "web@sha256:bbb"}
	w.send(d)
	w.settle()
	w.pass(time.Second)
	if got := w.prepared(2); got.Digest != "web@sha256:bbb" {
		t.Errorf("its tag means another image by now: %+v", got)
	}
}

func TestWhatIsUnderWayIsNotBegunAgain(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	w.away["web:2"] = true
	d := desired(webSpec())
	for range 2 { // wanted, left out, wanted again
		w.send(preparing(d, "web:2"))
		w.list()
		w.fetching()
		w.send(d)
		w.list()
		w.fetching()
	}
	if len(w.held) != 1 {
		t.Fatalf("under way: %+v", w.held)
	}
	w.finishOne()
	w.pass(time.Hour)
	if len(w.held) > 0 || w.actual.Prepared != nil {
		t.Errorf("nobody wants it any more: %+v %+v", w.held, w.actual.Prepared)
	}
}
