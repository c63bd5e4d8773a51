package brain_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// chaos is a world in which anything happens in any order. Everything that
// the brain begins is checked against what is on disk.
type chaos struct {
	*world
	wanted  fleet.Desired // as last asked for
	inputs  []brain.Input
	times   []time.Time
	outputs []string
	start   brain.Cache
	config  brain.Config
	bornAt  time.Time
}

func newChaos(t *rapid.T) *chaos {
	c := &chaos{world: newWorld(t), wanted: fleet.Desired{Host: "h1"}}
	c.foreign = []brain.Container{
		{ID: "f1", State: brain.ContainerExited, Labels: map[string]string{brain.LabelLineage: "L2", brain.LabelHost: "h1", brain.LabelInstance: "a-1"}},
		{ID: "f2", State: brain.ContainerRunning, HostPorts: []int{20001}},
	}
	c.reboot("start1")
	return c
}

func (c *chaos) reboot(start string) {
	c.boot(start)
	c.inputs, c.times, c.outputs, c.bornAt = nil, nil, nil, c.now
	c.start, c.config = brain.Cache{}, c.world.config
	if len(c.disk) > 0 {
		c.start = decodeCache(c.t, c.disk)
	}
}

// do steps, saves, keeps what the brain was told, for replay, and checks what
// it begins against the disk at that moment.
func (c *chaos) do(in brain.Input) {
	c.ops = nil
	for {
		outstanding := map[string]int{}
		for _, op := range c.held {
			outstanding[op.Instance+op.Version]++
		}
		out := brain.Step(c.state, in, c.now)
		c.inputs, c.times = append(c.inputs, in), append(c.times, c.now)
		c.outputs = append(c.outputs, printable(out))
		c.take(out)
		for _, op := range out.Ops {
			c.check(op, outstanding)
		}
		if !out.Save {
			return
		}
		if c.writing != nil {
			c.t.Fatalf("two writes at once: %+v", out)
		}
		c.writing = must(jsonOf(c.state.Cache()))
		if c.slow {
			return
		}
		in = c.write()
	}
}

// accepted is what is on disk.
func (c *chaos) accepted() (d fleet.Desired) {
	if len(c.disk) > 0 {
		if raw := decodeCache(c.t, c.disk).Desired; len(raw) > 0 {
			if _, err := wire.Open(raw, &d); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	return d
}

func (c *chaos) check(op brain.Op, outstanding map[string]int) {
	key := op.Instance + op.Version
	if outstanding[key]++; outstanding[key] > 1 {
		c.t.Fatalf("two operations on %s: %+v", key, op)
	}
	if c.down {
		c.t.Fatalf("the engine is silent: %+v", op)
	}
	accepted := c.accepted()
	if op.Version != "" {
		c.checkPrepares(op, &accepted)
		return
	}
	var a *fleet.Assignment
	for i := range accepted.Instances {
		if accepted.Instances[i].ID == op.Instance {
			a = &accepted.Instances[i]
		}
	}
	switch {
	case a == nil:
		c.t.Fatalf("nobody asks for %+v", op)
	case accepted.Frozen || slices.Contains(accepted.FrozenServices, a.Service):
		c.t.Fatalf("frozen: %+v", op)
	case op.Kind == brain.OpStop && a.Goal != fleet.GoalStop:
		c.t.Fatalf("nobody stopped %+v", op)
	case op.Cause == "":
		c.t.Fatalf("no cause: %+v", op)
	}
	if box := c.boxes[op.Container]; box != nil {
		if box.Labels[brain.LabelInstance] != op.Instance {
			c.t.Fatalf("another's container: %+v", op)
		}
		if op.Kind == brain.OpRemove && box.State == brain.ContainerRunning && a.Goal == fleet.GoalRun {
			c.t.Fatalf("it runs: %+v", op)
		}
	} else if op.Container != "" && slices.ContainsFunc(c.foreign, func(f brain.Container) bool { return f.ID == op.Container }) {
		c.t.Fatalf("a foreign container: %+v", op)
	}
}

// checkPrepares checks an operation for a version of which nothing may run.
func (c *chaos) checkPrepares(op brain.Op, accepted *fleet.Desired) {
	service, _, err := fleet.ParseVersionKey(op.Version)
	switch {
	case err != nil || !slices.Contains(accepted.Prepare, op.Version):
		c.t.Fatalf("nobody wants it prepared: %+v", op)
	case accepted.Frozen || slices.Contains(accepted.FrozenServices, service):
		c.t.Fatalf("frozen: %+v", op)
	case op.Kind != brain.OpPull || op.Instance != "" || op.Container != "" || op.Cause == "":
		c.t.Fatalf("that isn't what prepares: %+v", op)
	}
}

// want asks for something new.
func (c *chaos) want(t *rapid.T) {
	d := fleet.Desired{Host: "h1", Versions: preparable()}
	d.Frozen = rapid.IntRange(0, 9).Draw(t, "frozen") == 0
	if rapid.IntRange(0, 9).Draw(t, "frozen service") == 0 {
		d.FrozenServices = []fleet.ServiceKey{shopWeb}
	}
	for i := range 5 {
		switch rapid.IntRange(0, 4).Draw(t, "goal") {
		case 0: // left out
		case 1:
			d.Instances = append(d.Instances, assignment(i, fleet.GoalStop))
		default:
			d.Instances = append(d.Instances, assignment(i, fleet.GoalRun))
		}
	}
	for _, version := range prepared {
		if rapid.Bool().Draw(t, "prepare") {
			d.Prepare = append(d.Prepare, version)
		}
	}
	if rapid.Bool().Draw(t, "pinned") {
		d.Pins = map[string]string{"shop/web@2": "web@sha256:bbb"}
	}
	c.ask(d)
}

// prepared are versions that may be prepared: of one nothing is known, another's
// image is nowhere.
var prepared = []string{"shop/web@1", "shop/web@2", "shop/web@3", "shop/web@4"}

func preparable() map[string]fleet.Spec {
	return map[string]fleet.Spec{"shop/web@1": webSpec(), "shop/web@2": {Image: "web:2"}, "shop/web@3": {Image: "web:none"}}
}

func (c *chaos) ask(d fleet.Desired) {
	c.gen++
	c.wanted = d
	c.do(brain.DesiredReceived{Payload: c.seal(c.epoch, c.gen, d)})
}

func assignment(i int, goal string) fleet.Assignment {
	return fleet.Assignment{ID: fmt.Sprintf("%c-1", 'a'+i), Service: shopWeb, Version: 1, Slot: i + 1, Goal: goal, Cause: "cmd"}
}

func (c *chaos) anyBox(t *rapid.T) *brain.Container {
	ids := slices.Sorted(maps.Keys(c.boxes))
	if len(ids) == 0 {
		return nil
	}
	return c.boxes[rapid.SampledFrom(ids).Draw(t, "container")]
}

func (c *chaos) actions() map[string]func(*rapid.T) {
	byHand := func(change func(box *brain.Container)) func(*rapid.T) {
		return func(t *rapid.T) {
			if box := c.anyBox(t); box != nil {
				change(box)
			}
		}
	}
	return map[string]func(*rapid.T){
		"want": c.want,
		"old message": func(t *rapid.T) {
			d := fleet.Desired{Host: "h1", Instances: []fleet.Assignment{assignment(0, fleet.GoalStop), assignment(1, fleet.GoalStop)}}
			c.do(brain.DesiredReceived{Payload: c.seal(c.epoch, uint64(rapid.IntRange(0, int(c.gen)).Draw(t, "generation")), d)})
		},
		"damaged message": func(t *rapid.T) {
			payload := c.seal(c.epoch, c.gen+10, fleet.Desired{Host: "h1"})
			payload[rapid.IntRange(0, len(payload)-1).Draw(t, "at")] ^= 0x20
			if o := c.presence; o == nil || o.Observed.Generation > 0 {
				c.do(brain.DesiredReceived{Payload: payload[:rapid.IntRange(0, len(payload)-1).Draw(t, "length")]})
			}
		},
		"list": func(*rapid.T) { c.doList() },
		"late listing": func(*rapid.T) {
			in := c.listing()
			c.doFinish(1)
			if !c.down {
				c.do(in)
			}
		},
		"finish": func(t *rapid.T) { c.doFinish(rapid.IntRange(1, 5).Draw(t, "operations")) },
		"fail": func(t *rapid.T) {
			kind := rapid.SampledFrom([]string{brain.OpPull, brain.OpCreate, brain.OpStart, brain.OpStop, brain.OpRemove}).Draw(t, "kind")
			c.fail[kind] = brain.Result{Problem: "it fails", PortTaken: rapid.Bool().Draw(t, "port"), Permanent: rapid.Bool().Draw(t, "permanent")}
			c.doFinish(3)
			delete(c.fail, kind)
		},
		"exit": byHand(func(box *brain.Container) {
			if box.State == brain.ContainerRunning {
				box.State, box.ExitCode, box.FinishedAt = brain.ContainerExited, 1, c.now
			}
		}),
		"pause": byHand(func(box *brain.Container) {
			if box.State == brain.ContainerRunning {
				box.State = brain.ContainerPaused
			}
		}),
		"inspection fails": byHand(func(box *brain.Container) { box.Problem = "it hangs" }),
		"inspection works": byHand(func(box *brain.Container) { box.Problem = "" }),
		"rename":           byHand(func(box *brain.Container) { box.Snapshot.Name += "x" }),
		"remove":           byHand(func(box *brain.Container) { delete(c.boxes, box.ID) }),
		"copy": byHand(func(box *brain.Container) {
			if copied := *box; c.boxes[box.ID+"x"] == nil && len(c.boxes) < 20 {
				copied.ID, copied.Name, copied.State = box.ID+"x", box.Name+"x", brain.ContainerExited
				c.boxes[copied.ID] = &copied
			}
		}),
		"image": func(t *rapid.T) {
			c.away[rapid.SampledFrom(slices.Sorted(maps.Keys(c.images))).Draw(t, "image")] = rapid.Bool().Draw(t, "away")
		},
		"probe": func(t *rapid.T) {
			ok := rapid.Bool().Draw(t, "ok")
			for _, p := range slices.Clone(c.probes) {
				c.do(brain.Probed{Result: brain.ProbeResult{Instance: p.Instance, Container: p.Container, OK: ok, Reason: "x"}})
			}
		},
		"engine": func(t *rapid.T) {
			c.down = rapid.Bool().Draw(t, "down")
			c.doList()
		},
		"disk": func(t *rapid.T) {
			c.full = rapid.IntRange(0, 3).Draw(t, "full") == 0
			c.slow = rapid.Bool().Draw(t, "slow")
		},
		"written": func(*rapid.T) {
			if c.writing != nil {
				c.do(c.write())
			}
		},
		"session": func(t *rapid.T) {
			if rapid.Bool().Draw(t, "connected") {
				c.do(brain.Connected{Session: "s1"})
			} else {
				c.do(brain.Disconnected{})
			}
		},
		"agent restarts": func(t *rapid.T) {
			c.replay()
			c.reboot(fmt.Sprint("start", c.turn))
		},
		"time passes": func(t *rapid.T) {
			c.now = c.now.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "ms")) * time.Millisecond)
			c.do(brain.Tick{})
		},
	}
}

func (c *chaos) doList() {
	if c.down {
		c.do(brain.EngineFailed{Problem: "silent"})
		return
	}
	c.do(c.listing())
}

func (c *chaos) doFinish(n int) {
	for range n {
		if len(c.held) == 0 || c.down {
			return
		}
		op := c.held[0]
		c.held = c.held[1:]
		c.do(brain.OpDone{Result: c.world.do(op)})
	}
}

// replay steps another brain with the same and wants the same from it. The
// order in which the engine lists containers is of no account.
func (c *chaos) replay() {
	again := brain.New(c.config, c.start, c.bornAt)
	for i, in := range c.inputs {
		if listed, ok := in.(brain.Listed); ok {
			listed.Containers = slices.Clone(listed.Containers)
			slices.Reverse(listed.Containers)
			in = listed
		}
		out := printable(brain.Step(again, in, c.times[i]))
		if out != c.outputs[i] {
			c.t.Fatalf("step %d (%T) isn't the same again:\n%s\n%s", i, in, c.outputs[i], out)
		}
	}
}

func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t)
		t.Repeat(c.actions())
		c.replay()
		c.calm(t)
	})
}

// wantPrepared wants told of each version that was asked for that its image is
// there, or why not.
func (c *chaos) wantPrepared(t *rapid.T, d *fleet.Desired) {
	c.now = c.now.Add(time.Second)
	c.do(brain.Tick{})
	if len(c.actual.Prepared) != len(d.Prepare) {
		t.Fatalf("%v is to be prepared, told is %v", d.Prepare, c.actual.Prepared)
	}
	for _, version := range d.Prepare {
		got := c.actual.Prepared[version]
		want := map[string]string{"shop/web@1": "sha256:aaa", "shop/web@2": "sha256:bbb"}[version]
		if got.Image != want || (got.Problem == "") != (want != "") {
			t.Fatalf("%s: %+v", version, got)
		}
	}
}

// calm ends all trouble and wants everything as it was asked for.
func (c *chaos) calm(t *rapid.T) {
	c.full, c.slow, c.down, c.fail = false, false, false, map[string]brain.Result{}
	if c.writing != nil {
		c.do(c.write())
	}
	for _, box := range c.boxes {
		box.Problem = ""
	}
	d := c.wanted
	d.Versions = preparable()
	d.Frozen, d.FrozenServices = false, nil
	c.do(brain.Connected{Session: "s1"})
	c.ask(d)
	for range 200 {
		c.doList()
		c.doFinish(len(c.held))
		for _, p := range slices.Clone(c.probes) {
			c.do(brain.Probed{Result: brain.ProbeResult{Instance: p.Instance, Container: p.Container, OK: true}})
		}
		c.now = c.now.Add(time.Second)
		c.do(brain.Tick{})
	}
	c.doList()
	c.now = c.now.Add(20 * time.Minute)
	c.doList()
	for len(c.held) > 0 { // it looks whether what was prepared is still there
		if c.held[0].Version == "" {
			t.Fatalf("it never comes to rest: %+v", c.held)
		}
		c.doFinish(1)
	}
	c.wantPrepared(t, &d)
	ports := map[int]string{}
	for _, a := range d.Instances {
		got := c.instance(a.ID)
		if a.Goal == fleet.GoalRun && !got.Ready || a.Goal == fleet.GoalStop && got.Phase != fleet.PhaseStopped || got.Unclaimed {
			t.Fatalf("%s: %+v", a.Goal, got)
		}
		if a.Goal == fleet.GoalRun {
			if p := got.Ports[8080]; p == 0 || ports[p] != "" {
				t.Fatalf("port %d of %s is %s's too", p, a.ID, ports[p])
			}
			ports[got.Ports[8080]] = a.ID
		}
	}
}
