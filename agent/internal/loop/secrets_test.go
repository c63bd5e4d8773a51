package loop_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// opener opens what is sealed by taking "sealed " away, and tells the engine's record
// when.
type opener struct {
	engine *engine

	mu     sync.Mutex // guards the rest
	broken bool
	kept   []string
}

func (o *opener) Write(instance string, secrets []brain.Secret) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken {
		return errors.New("open the secret shop/db@1: it is damaged")
	}
	o.engine.set(func() {
		o.engine.did = append(o.engine.did, "write "+instance+" "+strings.TrimPrefix(secrets[0].Sealed, "sealed "))
	})
	return nil
}

func (o *opener) Keep(instances []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = instances
}

func (o *opener) keeps() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.kept, " ")
}

func (o *opener) Credentials(registry, sealed string) (*fleet.Credentials, error) {
	password, ok := strings.CutPrefix(sealed, "sealed ")
	if !ok {
		return nil, errors.New("open the login for " + registry + ": it is damaged")
	}
	return &fleet.Credentials{Username: "ann", Password: password}, nil
}

func (r *rig) sendSecret(goal, login string, ids ...string) {
	r.gen++
	d := fleet.Desired{
		Host:       "h1",
		Versions:   map[string]fleet.Spec{"shop/web@1": {Image: "web:1", Secrets: []fleet.SecretMount{{Name: "db", Revision: 1, Target: "/run/secrets/db"}}}},
		Secrets:    map[string]string{"shop/db@1": "sealed hunter2"},
		Registries: map[string]string{"docker.io": login},
	}
	for i, id := range ids {
		d.Instances = append(d.Instances, fleet.Assignment{ID: id, Service: shopWeb, Version: 1, Slot: i + 1, Goal: goal, Cause: "cmd"})
	}
	r.message(wire.LeafDesired, r.gen, d)
}

func TestSecretsAreWrittenBeforeTheEngineIsAsked(t *testing.T) {
	var o *opener
	r := run(t, func(options *loop.Options, r *rig) {
		o = &opener{engine: r.engine}
		options.Secrets = o
	})
	r.loop.Connected("s1")
	r.sendSecret(fleet.GoalRun, "sealed login", "a-1")
	r.until("it is ready", func() bool { return r.ready() == 1 })
	did := strings.Join(r.engine.done(), ", ")
	if want := "write a-1 hunter2, create a-1, write a-1 hunter2, start a-1"; !strings.Contains(did, want) {
		t.Errorf("done was %s", did)
	}
	if o.keeps() != "a-1" {
		t.Errorf("kept is %q", o.keeps())
	}
	r.sendSecret(fleet.GoalStop, "sealed login", "a-1")
	r.until("its files go", func() bool { return o.keeps() == "" })
}

func TestWhatCannotBeOpenedIsSaid(t *testing.T) {
	var o *opener
	r := run(t, func(options *loop.Options, r *rig) {
		o = &opener{engine: r.engine, broken: true}
		options.Secrets = o
	})
	r.loop.Connected("s1")
	r.sendSecret(fleet.GoalRun, "sealed login", "a-1")
	says := func(text string) func() bool {
		return func() bool {
			a := r.actual()
			return len(a.Instances) == 1 && strings.Contains(a.Instances[0].Reason, text)
		}
	}
	r.until("the reason is told", says("making the container failed: open the secret shop/db@1: it is damaged"))
	for _, op := range r.engine.done() {
		if strings.HasPrefix(op, "create") {
			t.Error("the engine was asked all the same")
		}
	}
}

func TestAnAgentWithoutAKey(t *testing.T) {
	r := run(t, nil)
	r.loop.Connected("s1")
	r.sendSecret(fleet.GoalRun, "", "a-1")
	r.until("the reason is told", func() bool {
		a := r.actual()
		return len(a.Instances) == 1 && strings.Contains(a.Instances[0].Reason, "no key to open secrets with")
	})
}
