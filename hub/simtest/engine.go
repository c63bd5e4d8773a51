package simtest

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// engine is a host's container engine. It outlives agents and carries out
// what a dead one began.
type engine struct {
	sim        *Sim
	host       *host
	life       int // grows when the power goes: what was under way is lost
	down       bool
	hangs      bool     // it takes calls and answers none
	stuck      []func() // what it does once it no longer hangs
	made       int
	containers map[string]*container
	images     map[string]bool
}

// container is a container with the program in it.
type container struct {
	brain.Container
	instance string
	image    *image
	spec     fleet.Spec
	ports    map[int]int
	run      int       // grows with each start
	serves   time.Time // when the program listens
	steady   time.Time // when somebody last laid hands on it
	sick     bool      // it doesn't answer
}

// Containers that aren't the fleet's own: nobody may touch them.
const (
	foreignPlain   = "somebodys-database"
	foreignLineage = "another-fleets-web"
)

func newEngine(h *host) *engine {
	e := &engine{sim: h.sim, host: h, containers: map[string]*container{}, images: map[string]bool{}}
	e.containers[foreignPlain] = &container{Container: brain.Container{ID: foreignPlain, State: brain.ContainerRunning, HostPorts: []int{5432, firstPort + 1}}}
	e.containers[foreignLineage] = &container{Container: brain.Container{
		ID: foreignLineage, State: brain.ContainerRunning,
		Labels: map[string]string{brain.LabelLineage: "another", brain.LabelHost: h.id, brain.LabelInstance: "1-1"},
	}}
	return e
}

// imitate has another fleet's container come that carries the labels of ours.
func (e *engine) imitate(c *container) {
	e.made++
	labels := maps.Clone(c.Labels)
	labels[brain.LabelLineage], labels[brain.LabelIncarnation] = "another", "99"
	id := fmt.Sprintf("%s-imitation%d", e.host.id, e.made)
	e.containers[id] = &container{Container: brain.Container{ID: id, State: brain.ContainerRunning, Labels: labels}}
	e.notify(brain.Noticed{Container: id, Action: "start"})
}

func (e *engine) sorted() []*container {
	out := make([]*container, 0, len(e.containers))
	for _, id := range slices.Sorted(maps.Keys(e.containers)) {
		out = append(out, e.containers[id])
	}
	return out
}

func (e *engine) list() ([]brain.Container, bool) {
	if e.down || e.host.off {
		return nil, false
	}
	var out []brain.Container
	for _, c := range e.sorted() {
		seen := c.Container
		if seen.Problem != "" {
			seen = brain.Container{ID: c.ID, Labels: c.Labels, State: c.State, HostPorts: c.HostPorts, Problem: c.Problem}
		}
		seen.Labels, seen.Snapshot.Networks = maps.Clone(c.Labels), slices.Clone(c.Snapshot.Networks)
		out = append(out, seen)
	}
	return out, true
}

func (e *engine) foreign() fleet.Foreign { return fleet.Foreign{Ports: []int{5432, firstPort + 1}} }

// do carries out one operation; done hears of its end.
func (e *engine) do(op brain.Op, done func(brain.Result)) {
	life := e.life
	finish := func(wait time.Duration, end func() brain.Result) {
		e.sim.after(wait, func() {
			e.call(limitOf(op), func() bool { return e.life == life }, func() func() {
				r := end()
				return func() { done(r) }
			}, func() { done(brain.Result{Problem: "the engine did not answer"}) })
		})
	}
	problem := func(text string) func() brain.Result {
		return func() brain.Result { return brain.Result{Problem: text} }
	}
	c := e.containers[op.Container]
	e.sim.detail(e.host.id, "%s %s %s%s", op.Kind, op.Instance, op.Container, op.Image)
	e.sim.checker.touches(e.host, &op, c)
	switch {
	case e.down:
		finish(50*time.Millisecond, problem("the engine is down"))
	case op.Container != "" && c == nil:
		finish(5*time.Millisecond, func() brain.Result { return brain.Result{Gone: true, Problem: "no such container"} })
	case c != nil && c.Problem != "":
		finish(5*time.Millisecond, problem(c.Problem))
	case op.Kind == brain.OpPull:
		e.pull(&op, finish)
	case op.Kind == brain.OpCreate:
		finish(e.sim.chance("engine "+e.host.id).between(40*time.Millisecond, 120*time.Millisecond), func() brain.Result { return e.create(op) })
	case op.Kind == brain.OpStart:
		finish(e.sim.chance("engine "+e.host.id).between(60*time.Millisecond, 200*time.Millisecond), func() brain.Result { return e.start(c) })
	case op.Kind == brain.OpStop:
		e.stop(c, op.Grace, finish)
	case op.Kind == brain.OpRemove:
		finish(e.sim.chance("engine "+e.host.id).between(10*time.Millisecond, 40*time.Millisecond), func() brain.Result { return e.remove(c) })
	case op.Kind == brain.OpUnpause:
		finish(10*time.Millisecond, func() brain.Result {
			c.State, c.steady = brain.ContainerRunning, e.sim.now
			return brain.Result{}
		})
	case op.Kind == brain.OpRestore:
		finish(10*time.Millisecond, func() brain.Result {
			c.Snapshot = *op.Snapshot
			return brain.Result{}
		})
	}
}

func (e *engine) pull(op *brain.Op, finish func(time.Duration, func() brain.Result)) {
	name, _, pinned := strings.Cut(op.Image, "@")
	id, byID := strings.CutPrefix(op.Image, "sha256:")
	if byID {
		name = id
	}
	if op.Local && !e.images[name] {
		finish(5*time.Millisecond, func() brain.Result { return brain.Result{Missing: true} })
		return
	}
	if byID {
		if !e.images[name] {
			finish(50*time.Millisecond, func() brain.Result { return brain.Result{Problem: "no such image", Permanent: true} })
			return
		}
	}
	if found := e.sim.image(name); found.missing && !pinned {
		finish(300*time.Millisecond, func() brain.Result { return brain.Result{Problem: "no such image " + name, Permanent: true} })
		return
	}
	wait := 5 * time.Millisecond
	if !e.images[name] {
		wait = e.sim.chance("engine "+e.host.id).between(500*time.Millisecond, 2*time.Second)
	}
	finish(wait, func() brain.Result {
		e.images[name] = true
		return brain.Result{Image: brain.Image{ID: "sha256:" + name, Digest: name + "@sha256:" + name}}
	})
}

func (e *engine) create(op brain.Op) brain.Result {
	for _, other := range e.containers {
		if other.Name == op.Create.Name {
			return brain.Result{Problem: "the name " + op.Create.Name + " is taken"}
		}
	}
	e.made++
	c := &container{
		Container: brain.Container{
			ID: fmt.Sprintf("%s-c%d", e.host.id, e.made), Name: op.Create.Name, Labels: op.Create.Labels, State: brain.ContainerCreated,
			ImageID: op.Create.Image, Snapshot: brain.Snapshot{Name: op.Create.Name, Networks: []string{"bridge"}},
		},
		instance: op.Instance, image: e.sim.image(strings.TrimPrefix(op.Create.Image, "sha256:")),
		spec: op.Create.Spec, ports: op.Create.Ports,
	}
	c.HostPorts = slices.Sorted(maps.Values(op.Create.Ports))
	e.containers[c.ID] = c
	e.sim.checker.created(e.host, c)
	e.sim.checker.mayRead(e.host, c)
	e.notify(brain.Noticed{Container: c.ID, Action: "create"})
	return brain.Result{Container: c.Container}
}

func (e *engine) start(c *container) brain.Result {
	if e.containers[c.ID] == nil {
		return brain.Result{Gone: true, Problem: "no such container"}
	}
	if c.State == brain.ContainerRunning {
		return brain.Result{}
	}
	for _, other := range e.sorted() {
		if other != c && other.State == brain.ContainerRunning && shares(other.HostPorts, c.HostPorts) {
			return brain.Result{PortTaken: true, Problem: "port is already allocated"}
		}
	}
	c.State, c.ExitCode, c.StartedAt = brain.ContainerRunning, 0, e.host.now()
	c.run++
	c.serves, c.sick = e.sim.now.Add(e.sim.chance("engine "+e.host.id).between(c.image.readyAfter/2, c.image.readyAfter)), c.image.neverReady
	e.sim.checker.started(e.host, c)
	e.sim.checker.everRan[c.instance] = true
	e.sim.checker.mayRead(e.host, c)
	if c.image.exits || c.image.ends {
		run, code := c.run, 0
		if c.image.exits {
			code = 1
		}
		e.sim.after(c.image.readyAfter*2, func() {
			if c.run == run {
				e.exit(c, code)
			}
		})
	}
	e.notify(brain.Noticed{Container: c.ID, Action: "start"})
	return brain.Result{Container: c.Container}
}

// answers says whether the program has answered since then, and does.
func (c *container) answers(since time.Time) bool {
	return c.State == brain.ContainerRunning && !c.sick && c.Problem == "" && c.serves.Before(since) && c.steady.Before(since)
}

func shares(a, b []int) bool {
	return slices.ContainsFunc(a, func(port int) bool { return slices.Contains(b, port) })
}

func (e *engine) stop(c *container, grace time.Duration, finish func(time.Duration, func() brain.Result)) {
	takes := e.sim.chance("engine "+e.host.id).between(50*time.Millisecond, 400*time.Millisecond)
	if c.image != nil && c.image.ignoresTerm {
		takes = grace
	}
	e.notify(brain.Noticed{Container: c.ID, Action: "kill", Signal: 15})
	finish(takes, func() brain.Result {
		e.exit(c, 0)
		return brain.Result{}
	})
}

func (e *engine) remove(c *container) brain.Result {
	if c.State == brain.ContainerRunning {
		return brain.Result{Problem: "it runs"}
	}
	delete(e.containers, c.ID)
	e.notify(brain.Noticed{Container: c.ID, Action: "destroy"})
	return brain.Result{}
}

// exit ends a container.
func (e *engine) exit(c *container, code int) {
	if c.State != brain.ContainerRunning {
		return
	}
	e.sim.detail(e.host.id, "container %s of %s ends with %d", c.ID, c.instance, code)
	c.State, c.ExitCode, c.FinishedAt = brain.ContainerExited, code, e.host.now()
	e.sim.checker.ranTo(c.instance, code)
	e.notify(brain.Noticed{Container: c.ID, Action: "die"})
}

func (e *engine) powerOff() {
	e.life++
	e.host.memory = map[string]map[string]string{}
	e.hangs, e.stuck = false, nil
	for _, c := range e.sorted() {
		if c.State == brain.ContainerRunning && c.instance != "" {
			c.State, c.ExitCode, c.FinishedAt = brain.ContainerExited, 137, e.host.now()
		}
	}
}

func (e *engine) notify(in brain.Noticed) {
	a := e.host.agent
	switch {
	case a == nil || e.down:
	case e.hangs:
		e.stuck = append(e.stuck, func() { a.noticed(in) })
	default:
		e.sim.after(2*time.Millisecond, func() { a.noticed(in) })
	}
}

// at finds the container that has a host's port now.
func (e *engine) at(port int) *container {
	for _, c := range e.containers {
		if c.State == brain.ContainerRunning && slices.Contains(c.HostPorts, port) {
			return c
		}
	}
	return nil
}

// answers says whether a program serves at an address of this host.
func (e *engine) answers(address string) (bool, string) {
	_, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	c := e.at(port)
	switch {
	case c == nil || e.host.off || e.sim.now.Before(c.serves):
		return false, "connection refused"
	case c.sick:
		return false, "HTTP 503"
	}
	return true, ""
}
