package brain_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// pull is what comes of asking for an image.
func (w *world) pull(image string) fleet.Answer {
	w.t.Helper()
	w.answers = nil
	w.step(brain.PullAsked{ID: "ask1", Service: shopWeb, Image: image, Cause: "cmd9"})
	w.settle()
	if len(w.answers) != 1 || w.answers[0].ID != "ask1" || w.answers[0].Validate() != nil {
		w.t.Fatalf("answers: %+v", w.answers)
	}
	return w.answers[0]
}

func TestAnImageIsFetchedForWhoAsks(t *testing.T) {
	w := newWorld(t).connected()
	w.send(desired(webSpec(), "a-1"))
	w.settle()
	w.images["other:1"], w.away["other:1"] = brain.Image{ID: "sha256:other"}, true
	if answer := w.pull("other:1"); !answer.OK || answer.Output != "other:1 was fetched: sha256:other" {
		t.Errorf("%+v", answer)
	}
	if answer := w.pull("other:1"); !answer.OK || answer.Output != "other:1 was there already: sha256:other" {
		t.Errorf("once more: %+v", answer)
	}
	if answer := w.pull("nowhere:1"); answer.OK || answer.Problem == "" {
		t.Errorf("one that there isn't: %+v", answer)
	}
	if answer := w.prune(true); len(answer.Images) != 1 || answer.Images[0].ID != "sha256:other" {
		t.Errorf("it isn't this agent's to remove: %+v", answer)
	}
	d := desired(webSpec(), "a-1")
	d.Frozen = true
	w.send(d)
	w.settle()
	w.away["other:1"] = true
	if answer := w.pull("other:1"); answer.OK || !strings.Contains(answer.Problem, "frozen") {
		t.Errorf("on a frozen host: %+v", answer)
	}
}

func TestAnImageIsFetchedWithItsRegistrysLogin(t *testing.T) {
	w := newWorld(t).connected()
	d := desired(webSpec(), "a-1")
	d.Registries = map[string]string{"registry.example.com": "login"}
	w.send(d)
	w.settle()
	w.ops, w.hold = nil, true
	w.step(brain.PullAsked{ID: "ask1", Service: shopWeb, Image: "registry.example.com/web:2"})
	if len(w.ops) != 1 || w.ops[0].Registry != "registry.example.com" || w.ops[0].Login != "login" {
		t.Errorf("%+v", w.ops)
	}
}

func TestInspectingShowsNoValues(t *testing.T) {
	w := newWorld(t).connected()
	spec := webSpec()
	spec.Environment = map[string]string{"PASSWORD": "hunter2", "MODE": "hunter3"}
	spec.Runtime = &fleet.Runtime{Logging: &fleet.Logging{Options: map[string]string{"splunk-token": "hunter4"}}}
	w.send(desired(spec, "a-1"))
	w.settle()
	text := w.state.Inspect(shopWeb, w.now)
	var all []struct {
		ID          string
		Environment []string
		MadeFrom    fleet.Spec
		Engine      struct{ State string }
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].ID != "a-1" || strings.Join(all[0].Environment, " ") != "MODE PASSWORD" || all[0].MadeFrom.Image != "web:1" || all[0].Engine.State != brain.ContainerRunning {
		t.Errorf("%s", text)
	}
	if strings.Contains(text, "hunter") || !strings.Contains(text, "splunk-token") {
		t.Errorf("it shows a value: %s", text)
	}
	if text := w.state.Inspect(fleet.ServiceKey{Project: "shop", Name: "none"}, w.now); text != "" {
		t.Errorf("of nothing: %s", text)
	}
	if spec := w.state.Inspect(shopWeb, w.now); spec != text {
		t.Error("inspecting changes something")
	}
}

func TestWhatIsToRunIsTried(t *testing.T) {
	w := newWorld(t).connected()
	d := desired(webSpec(), "a-1", "b-1")
	plain := webSpec()
	plain.Probe = nil
	d.Versions["shop/job@1"] = plain
	other := fleet.ServiceKey{Project: "shop", Name: "job"}
	d.Instances = append(d.Instances, fleet.Assignment{ID: "c-1", Service: other, Version: 1, Slot: 1, Goal: fleet.GoalRun, Cause: "cmd1"})
	w.send(stopping(d, "b-1"))
	w.settle()
	var got []string
	for _, p := range w.state.Probings(fleet.ServiceKey{}, w.now) {
		got = append(got, p.Instance)
		if (p.Target != nil) != (p.Instance == "shop/web a-1") || p.Target == nil && !p.Ready {
			t.Errorf("%+v", p)
		}
	}
	if strings.Join(got, ", ") != "shop/web a-1, shop/job c-1" {
		t.Errorf("tried: %v", got)
	}
	if of := w.state.Probings(other, w.now); len(of) != 1 {
		t.Errorf("of one service: %v", of)
	}
}
