package brain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// full is a disk that is 90 % full, and 10 of its 100 images too much.
var full = brain.DiskRead{Used: 90_000, Size: 100_000}

// hoarding has fetched these images, in this order, and needs none of them but
// what d wants.
func hoarding(t *testing.T, d fleet.Desired, images ...string) *world {
	w := newWorld(t).connected()
	for _, image := range images {
		known := w.images[image]
		if known.ID == "" {
			known.ID = "sha256:" + image
		}
		w.images[image], w.away[image] = known, true
		w.send(preparing(desired(webSpec()), image))
		w.settle()
		w.now = w.now.Add(time.Second)
	}
	w.send(d)
	w.settle()
	w.ops, w.answers = nil, nil
	return w
}

// removed are the images that go now.
func (w *world) removed() string {
	var ids []string
	for _, op := range w.ops {
		if op.Kind == brain.OpRemoveImage {
			ids = append(ids, strings.TrimPrefix(op.Image, "sha256:"))
		}
	}
	w.ops = nil
	return strings.Join(ids, " ")
}

func (w *world) prune(dry bool) fleet.Answer {
	w.t.Helper()
	w.answers = nil
	w.step(brain.PruneAsked{ID: "ask1", DryRun: dry, Cause: "cmd9"})
	w.settle()
	if len(w.answers) != 1 || w.answers[0].ID != "ask1" || w.answers[0].Validate() != nil {
		w.t.Fatalf("answers: %+v", w.answers)
	}
	return w.answers[0]
}

func TestAFullDiskLosesTheOldestImagesFirst(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "c:1", "a:1", "b:1")
	w.step(brain.DiskRead{Used: 85_000, Size: 100_000})
	w.settle()
	if got := w.removed(); got != "" {
		t.Fatalf("85 %% is not more than 85 %%: %s", got)
	}
	w.step(brain.DiskRead{Used: 86_000, Size: 100_000})
	w.settle()
	if got := w.removed(); got != "c:1 a:1 b:1" { // 1,000 bytes each
		t.Fatalf("removed: %s", got)
	}
	events := w.eventsOf(fleet.EventImagesPruned)
	if len(events) != 1 || events[0].Cause != "the disk of the engine is 86 % full" ||
		events[0].Data.Message != "removed 3 images that nothing needs, of 3000 bytes: c:1, a:1, b:1" {
		t.Errorf("told: %+v", events)
	}
}

func TestOnlyAsMuchGoesAsIsWanted(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "a:1", "b:1", "c:1")
	for _, image := range w.stored {
		image.Size = 6000
	}
	w.step(full)
	w.settle()
	if got := w.removed(); got != "a:1 b:1" {
		t.Fatalf("removed: %s", got)
	}
	w.step(full)
	w.settle()
	if got := w.removed(); got != "" {
		t.Errorf("again, at once: %s", got)
	}
	w.now = w.now.Add(brain.DefaultTiming().Clean)
	w.step(full)
	w.settle()
	if got := w.removed(); got != "c:1" || len(w.eventsOf(fleet.EventImagesPruned)) != 2 {
		t.Errorf("a minute later: %s", got)
	}
}

func TestWhatIsNeededStays(t *testing.T) {
	for name, test := range map[string]struct {
		want   func(*fleet.Desired)
		change func(*world)
	}{
		"an instance": {want: func(d *fleet.Desired) { *d = desired(fleet.Spec{Image: "web:2"}, "a-1") }},
		"an instance's pin": {want: func(d *fleet.Desired) {
			*d = desired(fleet.Spec{Image: "web:9"}, "a-1")
			d.Instances[0].Pin, d.FrozenServices = "web@sha256:bbb", []fleet.ServiceKey{shopWeb}
		}},
		"a version":        {want: func(d *fleet.Desired) { d.Versions["shop/web@1"] = fleet.Spec{Image: "docker.io/library/web:2"} }},
		"what is prepared": {want: func(d *fleet.Desired) { *d = preparing(*d, "web:2") }},
		"what is prepared, its pin": {want: func(d *fleet.Desired) {
			*d = preparing(*d, "web:9")
			d.Pins, d.FrozenServices = map[string]string{"shop/web@2": "web@sha256:bbb"}, []fleet.ServiceKey{shopWeb}
		}},
		"what is kept":            {want: func(d *fleet.Desired) { d.Keep = []string{"web:2"} }},
		"what is kept, by digest": {want: func(d *fleet.Desired) { d.Keep = []string{"docker.io/library/web:2@sha256:bbb"} }},
		"what is kept, by id":     {want: func(d *fleet.Desired) { d.Keep = []string{"sha256:bbb"} }},
		"somebody else named it":  {change: func(w *world) { w.stored["sha256:bbb"].Names = append(w.stored["sha256:bbb"].Names, "mine:1") }},
		"somebody's container":    {change: func(w *world) { w.stored["sha256:bbb"].Used = true }},
		"an instance between two containers, though its image has lost its name": {
			want: func(d *fleet.Desired) { *d = desired(fleet.Spec{Image: "web:2"}, "a-1") },
			change: func(w *world) {
				w.fail[brain.OpCreate] = brain.Result{Problem: "no"}
				clear(w.boxes)
				w.stored["sha256:bbb"].Names, w.stored["sha256:bbb"].Digests = nil, nil
			},
		},
		"what is prepared, though its image has lost its name": {
			want:   func(d *fleet.Desired) { *d = preparing(*d, "web:2") },
			change: func(w *world) { w.stored["sha256:bbb"].Names, w.stored["sha256:bbb"].Digests = nil, nil },
		},
		"it was removed and is here": {change: func(w *world) { w.drop("sha256:bbb"); w.prune(true); w.store("web:2") }},
	} {
		t.Run(name, func(t *testing.T) {
			d := desired(fleet.Spec{Image: "other:1"})
			if test.want != nil {
				test.want(&d)
			}
			w := hoarding(t, d, "web:2", "a:1")
			if test.change != nil {
				test.change(w)
			}
			answer := w.prune(false)
			if got := w.removed(); got != "a:1" || !answer.OK || len(answer.Images) != 1 {
				t.Errorf("removed %s, answered %+v", got, answer)
			}
		})
	}
}

func TestAnImageThatWasHereBeforeIsNobodysToRemove(t *testing.T) {
	w := newWorld(t).connected()
	w.store("web@sha256:bbb")
	w.images["copy:2"], w.away["copy:2"] = w.images["web:2"], true
	w.send(preparing(desired(webSpec()), "copy:2"))
	w.settle()
	w.send(desired(webSpec()))
	if answer := w.prune(false); len(answer.Images) > 0 || w.stored["sha256:bbb"] == nil {
		t.Errorf("removed: %+v", answer)
	}
}

func TestAskedWhatWouldGoNothingGoes(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "web:2", "a:1")
	answer := w.prune(true)
	want := []fleet.PrunedImage{{ID: "sha256:bbb", Names: []string{"web:2"}, Bytes: 1000}, {ID: "sha256:a:1", Names: []string{"a:1"}, Bytes: 1000}}
	if !answer.OK || !slices.EqualFunc(answer.Images, want, func(a, b fleet.PrunedImage) bool {
		return a.ID == b.ID && slices.Equal(a.Names, b.Names) && a.Bytes == b.Bytes
	}) {
		t.Errorf("answered %+v", answer)
	}
	if got := w.removed(); got != "" || len(w.eventsOf(fleet.EventImagesPruned)) > 0 {
		t.Errorf("removed: %s", got)
	}
	w.boot("again") // what was fetched is kept on disk
	w.connected()
	w.settle()
	if answer := w.prune(false); len(answer.Images) != 2 {
		t.Errorf("after a restart: %+v", answer)
	}
	if events := w.eventsOf(fleet.EventImagesPruned); len(events) != 1 || events[0].Cause != "cmd9" {
		t.Errorf("told: %+v", events)
	}
}

func TestNoImageGoesWhile(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world, *fleet.Desired)
		want   string
	}{
		"the host is frozen":   {func(_ *world, d *fleet.Desired) { d.Frozen = true }, "the host is frozen: its images are left as they are"},
		"the engine is silent": {func(w *world, _ *fleet.Desired) { w.down = true }, "the container engine doesn't answer"},
	} {
		t.Run(name, func(t *testing.T) {
			d := desired(webSpec())
			w := hoarding(t, d, "a:1")
			test.change(w, &d)
			w.list()
			w.send(d)
			w.settle()
			w.step(full)
			answer := w.prune(false)
			if answer.OK || answer.Problem != test.want || w.kinds() != "" {
				t.Errorf("answered %+v", answer)
			}
		})
	}
}

func TestAFreezeInTheMiddleEndsTheRound(t *testing.T) {
	d := desired(webSpec())
	w := hoarding(t, d, "a:1", "b:1")
	w.step(brain.PruneAsked{ID: "ask1"})
	w.finishOne() // the list
	d.Frozen = true
	w.send(d)
	w.settle()
	if got := w.removed(); got != "a:1" || len(w.answers) != 1 || len(w.answers[0].Images) != 1 || w.answers[0].OK {
		t.Errorf("removed %s, answered %+v", got, w.answers)
	}
}

func TestAnImageThatStaysIsTold(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "a:1")
	w.fail[brain.OpRemoveImage] = brain.Result{Problem: "a container is made from it"}
	if answer := w.prune(false); answer.OK || answer.Problem != "a container is made from it" || len(answer.Images) > 0 {
		t.Errorf("answered %+v", answer)
	}
	delete(w.fail, brain.OpRemoveImage)
	w.fail[brain.OpImages] = brain.Result{Problem: "the engine can't be reached"}
	if answer := w.prune(true); answer.OK || answer.Problem != "the engine can't be reached" {
		t.Errorf("answered %+v", answer)
	}
	delete(w.fail, brain.OpImages)
	if answer := w.prune(false); !answer.OK || len(answer.Images) != 1 {
		t.Errorf("answered %+v", answer)
	}
}

func TestALongCauseIsCut(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "a:1")
	w.step(brain.PruneAsked{ID: "ask1", Cause: strings.Repeat("c", 1000)})
	w.settle()
	w.pass(time.Second) // the hub takes what is told
	if events := w.eventsOf(fleet.EventImagesPruned); len(events) != 1 || len(events[0].Cause) > 256 {
		t.Errorf("told: %+v", events)
	}
}

func TestOneRoundAtATime(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "a:1")
	w.step(full)
	w.step(brain.PruneAsked{ID: "ask1"})
	if len(w.answers) != 1 || w.answers[0].OK || !strings.Contains(w.answers[0].Problem, "ask again") {
		t.Errorf("answered %+v", w.answers)
	}
}

func TestAnImageThatComesDuringTheListIsNotForgotten(t *testing.T) {
	w := hoarding(t, desired(webSpec()), "a:1")
	w.step(brain.PruneAsked{ID: "ask1", DryRun: true})
	listed := w.do(w.held[0])
	w.held = nil
	w.now = w.now.Add(time.Second)
	w.away["web:2"] = true
	w.send(preparing(desired(webSpec()), "web:2"))
	w.settle()
	w.send(desired(webSpec()))
	w.step(brain.OpDone{Result: listed})
	if answer := w.prune(true); len(answer.Images) != 2 {
		t.Errorf("answered %+v", answer)
	}
}
