package brain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// wants asks for one more instance, of a service and version of its own whose
// image isn't on the host.
func (w *world) wants(d *fleet.Desired, id, service, image string) {
	spec := webSpec()
	spec.Image = image
	w.away[image], w.images[image] = true, brain.Image{ID: "sha256:" + image}
	key := fleet.ServiceKey{Project: "shop", Name: service}
	version := len(d.Versions) + 1
	d.Versions[fleet.VersionKey(key, version)] = spec
	d.Instances = append(d.Instances, fleet.Assignment{ID: id, Service: key, Version: version, Slot: version, Goal: fleet.GoalRun, Cause: "cmd1"})
}

// fetching are the instances whose images are on their way; what is quick is
// done.
func (w *world) fetching() string {
	for {
		i := slices.IndexFunc(w.held, func(op brain.Op) bool { return op.Kind != brain.OpPull || op.Local })
		if i < 0 {
			break
		}
		op := w.held[i]
		w.held = slices.Delete(w.held, i, i+1)
		w.step(brain.OpDone{Result: w.do(op)})
		w.list()
		w.probe()
	}
	var ids []string
	for _, op := range w.held {
		ids = append(ids, op.Instance)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestImagesOnTheirWayHoldUpOnlyThoseThatNeedOne(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	d := desired(webSpec())
	for i := range 4 {
		w.wants(&d, fmt.Sprintf("slow-%d", i), fmt.Sprint("slow", i), fmt.Sprint("slow:", i))
	}
	w.send(d)
	w.list()
	if got := w.fetching(); got != "slow-0 slow-1 slow-2" {
		t.Fatalf("fetched: %s", got)
	}
	d.Instances = append(d.Instances, desired(webSpec(), "a-1").Instances...)
	w.send(d)
	w.list()
	w.fetching()
	w.pass(100 * time.Millisecond)
	if got := w.instance("a-1"); !got.Ready {
		t.Errorf("its image is here: %+v", got)
	}
	w.exit("a-1", 1)
	delete(w.boxes, w.box("a-1").ID)
	w.list()
	w.fetching()
	w.pass(100 * time.Millisecond)
	if got := w.instance("a-1"); !got.Ready || got.Incarnation != 2 {
		t.Errorf("made anew: %+v", got)
	}
	if got := w.instance("slow-3"); got.Phase != fleet.PhasePending || got.Reason != "it waits for other images to be pulled" {
		t.Errorf("reported %+v", got)
	}
	w.finishOne()
	w.list()
	if got := w.fetching(); got != "slow-1 slow-2 slow-3" {
		t.Errorf("then: %s", got)
	}
}

func TestAnImageComesOnceForAll(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	w.away["web:1"] = true
	w.send(desired(webSpec(), "a-1", "b-1", "c-1"))
	w.list()
	if got := w.fetching(); got != "a-1" {
		t.Fatalf("fetched for %s", got)
	}
	w.pass(100 * time.Millisecond)
	if got := w.instance("b-1"); got.Phase != fleet.PhasePending || !strings.Contains(got.Reason, "its image, which is being pulled") {
		t.Errorf("reported %+v", got)
	}
	w.finishOne()
	if got := w.fetching(); got != "" || len(w.boxes) != 3 {
		t.Errorf("fetched again for %s, %d containers", got, len(w.boxes))
	}
}

func TestNoServiceHasAllTheRoomForImages(t *testing.T) {
	w := newWorld(t).connected()
	w.hold = true
	d := desired(webSpec())
	for _, id := range []string{"a-1", "a-2", "a-3"} {
		w.wants(&d, id, "a", "a:"+id)
	}
	w.wants(&d, "b-1", "b", "b:1")
	w.send(d)
	w.list()
	if got := w.fetching(); got != "a-1 a-2 b-1" {
		t.Errorf("fetched: %s", got)
	}
}
