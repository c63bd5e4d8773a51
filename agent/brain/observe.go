package brain

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func (s *State) takeListing(in Listed, now time.Time) {
	s.outage, s.silent = s.silent, false
	if s.outage && s.listed {
		s.engineEvent(fleet.EventEngineUp, "the container engine answers again", now)
	}
	s.engine = fleet.EngineStatus{Up: true}
	s.listed = true
	s.listTurn = in.After
	s.containers = in.Containers
	s.unmatched = true
}

// takeEngineFailure keeps what is known: the engine's silence says nothing
// about the containers.
func (s *State) takeEngineFailure(problem string, now time.Time) {
	if s.engine.Up {
		s.engineEvent(fleet.EventEngineDown, "the container engine doesn't answer: "+problem, now)
		s.report.urgent = true
	}
	s.engine, s.silent = fleet.EngineStatus{Problem: problem}, true
}

func (s *State) engineEvent(kind, message string, now time.Time) {
	s.event(now, fleet.Event{
		Type: kind, Subject: "hosts/" + s.config.Host, Cause: "engine",
		Data: fleet.EventData{Message: message, Host: s.config.Host},
	})
}

// signalWindow is how long after a signal the end of a container counts as
// caused by it: the usual grace, three times.
const signalWindow = 3 * fleet.DefaultStopGrace

// takeNotice remembers which containers others sent signals: those of
// instances on which no operation of ours is under way. It believes of one
// that died that it did, until a listing that began later knows better.
func (s *State) takeNotice(in Noticed, now time.Time) {
	for _, inst := range s.instances {
		if inst.container == nil || inst.container.ID != in.Container {
			continue
		}
		switch {
		case in.Action == "kill" && inst.op == nil:
			s.signalled[in.Container] = append(s.recent(in.Container, now), signal{number: in.Signal, at: now})
		case in.Action == "die":
			inst.died, inst.diedTurn = inst.run, s.turn
		}
	}
}

// recent are the signals that others sent to a container within the window.
func (s *State) recent(container string, now time.Time) []signal {
	return slices.DeleteFunc(slices.Clone(s.signalled[container]), func(sent signal) bool { return now.Sub(sent.at) > signalWindow })
}

// dead says whether the run of an instance is over, by the engine's word.
func (inst *instance) dead() bool { return inst.run != "" && inst.died == inst.run }

// ours reports whether a container is of this host and of the hub that this
// agent follows. Nothing else is ever touched.
func (s *State) ours(c *Container) bool {
	return s.lineage != "" && c.Labels[LabelLineage] == s.lineage &&
		c.Labels[LabelHost] == s.config.Host && instanceID.MatchString(c.Labels[LabelInstance])
}

// match gives each instance its container of the last listing. Where an
// operation is under way, or ended after the listing began, it waits for the
// next one.
func (s *State) match(now time.Time) {
	if !s.unmatched || !s.listed {
		return
	}
	s.unmatched = false
	found := map[string]*Container{}
	for i := range s.containers {
		c := &s.containers[i]
		if s.ours(c) {
			id := c.Labels[LabelInstance]
			found[id] = better(found[id], c)
		}
	}
	for id := range found {
		s.instance(id)
	}
	for _, id := range sortedKeys(s.instances) {
		inst := s.instances[id]
		if inst.op != nil && inst.op.Kind != OpPull || s.listTurn < inst.settled {
			continue
		}
		inst.unsure = false
		s.see(inst, found[id], now)
	}
	maps.DeleteFunc(s.signalled, func(container string, _ []signal) bool { return len(s.recent(container, now)) == 0 })
}

// better chooses among containers that carry the same instance's label: the
// youngest incarnation counts, copies made by hand are left alone.
func better(a, b *Container) *Container {
	if a == nil {
		return b
	}
	order := cmp.Or(cmp.Compare(incarnationOf(b), incarnationOf(a)), cmp.Compare(a.ID, b.ID))
	if order > 0 {
		return b
	}
	return a
}

func incarnationOf(c *Container) int { return countOf(c, LabelIncarnation) }

// countOf reads a label; 0 when it is no number, as people can write labels.
func countOf(c *Container, label string) int {
	n, _ := strconv.Atoi(c.Labels[label])
	return max(n, 0)
}

// see takes in what an instance's container is now (nil: there is none).
func (s *State) see(inst *instance, c *Container, now time.Time) {
	if c != nil && c.Problem != "" {
		s.glimpse(inst, c, now)
		return
	}
	inst.container = nil
	if c == nil {
		s.seeNone(inst, now)
		return
	}
	seen := *c
	inst.container = &seen
	s.know(inst, &seen, now)
	run := runOf(&seen)
	switch seen.State {
	case ContainerRunning:
		if inst.run != run {
			s.beginRun(inst, run, now)
		}
		if s.listTurn >= inst.diedTurn {
			inst.died = ""
		}
	case ContainerExited, ContainerDead:
		if inst.exited != run {
			s.seeExit(inst, run, now)
		}
	}
}

// seeNone notices that a container vanished without our doing.
func (s *State) seeNone(inst *instance, now time.Time) {
	inst.run, inst.ready = "", false
	if inst.rec.Container == "" || s.lineage == "" { // who follows no hub yet can't tell which are its own
		return
	}
	inst.rec.Container, inst.rec.ReadyRun, inst.rec.Snapshot, inst.rec.Recreate = "", "", nil, false
	inst.missing = true
	s.report.urgent = true
	s.dirty(now)
}

// know keeps what a container tells that the record lacks: after the loss of
// the agent's disk the labels are all there is.
func (s *State) know(inst *instance, c *Container, now time.Time) {
	rec := inst.rec
	if rec.Container != c.ID {
		rec.Container, rec.Snapshot = c.ID, nil
		rec.Incarnation = max(rec.Incarnation, incarnationOf(c))
		rec.ReadyRun, rec.EndedRun = "", ""
		if len(rec.Ports) == 0 && !rec.Recreate {
			if rec.Ports = parsePorts(c.Labels[LabelPorts]); len(rec.Ports) > 0 {
				rec.EverReady = true // others may know them
			}
		}
		if !rec.Described {
			rec.Service, _ = fleet.ParseServiceKey(c.Labels[LabelProject] + "/" + c.Labels[LabelService])
			rec.Version, rec.Slot = countOf(c, LabelVersion), countOf(c, LabelSlot)
			rec.Spec = c.Labels[LabelSpec]
		}
		inst.missing = false
		s.dirty(now)
	}
	if rec.Snapshot == nil && c.Problem == "" {
		rec.Snapshot = cloneSnapshot(&c.Snapshot)
		s.dirty(now)
	}
}

// beginRun notes that a container runs, by our start or by somebody's.
func (s *State) beginRun(inst *instance, run string, now time.Time) {
	if inst.run != "" && !inst.startedNow {
		s.instanceEvent(inst, fleet.EventInstanceExited, "ended and was started again by somebody else", "", now)
	}
	inst.found = inst.run == "" && inst.rec.Boot == "" && !inst.startedNow
	inst.run, inst.runSince = run, now
	delete(s.signalled, inst.container.ID)
	inst.oursRun, inst.startedNow = inst.startedNow, false
	inst.ready = inst.rec.ReadyRun == run
	inst.passes, inst.falls, inst.probed, inst.probeReason = 0, 0, false, ""
	if inst.rec.Boot != s.config.Facts.BootID {
		inst.rec.Boot = s.config.Facts.BootID
		s.dirty(now)
	}
}

func cloneSnapshot(snapshot *Snapshot) *Snapshot {
	clone := *snapshot
	clone.Networks = slices.Clone(snapshot.Networks)
	return &clone
}

// sameSnapshot compares what people can change by hand.
func sameSnapshot(a, b *Snapshot) bool {
	return a.Name == b.Name && a.MemoryLimit == b.MemoryLimit && a.MemoryReserve == b.MemoryReserve &&
		a.NanoCPUs == b.NanoCPUs && a.PidsLimit == b.PidsLimit &&
		cmp.Or(a.RestartPolicy, "no") == cmp.Or(b.RestartPolicy, "no") && slices.Equal(a.Networks, b.Networks)
}

// Ours returns the containers of this host's instances that run, and the
// ports that they publish.
func (s *State) Ours() (containers []string, ports []int) {
	for i := range s.containers {
		if c := &s.containers[i]; s.ours(c) && c.State == ContainerRunning {
			containers = append(containers, c.ID)
			ports = append(ports, c.HostPorts...)
			ports = append(ports, slices.Sorted(maps.Values(parsePorts(c.Labels[LabelPorts])))...) // those on the host's network publish none
		}
	}
	return containers, ports
}
