package crowd

import (
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// echo takes the hub's word of what it has taken in.
func (a *agent) echo(payload []byte) {
	var ack fleet.Ack
	if _, err := wire.Open(payload, &ack); err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if ack.Session != a.session {
		return
	}
	now := time.Now()
	a.echoedAt = now
	if !a.askedAt.IsZero() {
		a.slowest, a.askedAt = max(a.slowest, now.Sub(a.askedAt)), time.Time{}
	}
	if a.heardAt.IsZero() {
		a.heardAt = now
	}
	if before := a.acknowledged; ack.Actual > before {
		a.acknowledged = ack.Actual
		if before < a.reachedBy && ack.Actual >= a.reachedBy {
			a.confirmedAt = now
		}
		if ack.Actual == a.sequence {
			a.settledAt = now
		}
	}
}

// accept takes a newer desired state, says so, and reports its instances: first
// as they start, then as they are ready.
func (a *agent) accept(payload []byte) {
	var desired fleet.Desired
	env, err := wire.Open(payload, &desired)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if env.Epoch < a.observed.Epoch || env.Epoch == a.observed.Epoch && env.Generation <= a.observed.Generation {
		return
	}
	a.observed = fleet.Observed{Lineage: env.Lineage, Epoch: env.Epoch, Generation: env.Generation, Sum: env.Sum}
	a.reachedAt = time.Now()
	starting := a.take(desired.Instances)
	if a.conn == nil { // the session's first report says it
		a.reachedBy = a.sequence + 1
		return
	}
	a.sendPresence()
	a.sendActual()
	a.reachedBy = a.sequence
	if starting {
		time.AfterFunc(a.options.Start, func() { a.report(a.ready) })
	}
}

// take makes the instances those of the desired state. Those that are to stop
// have stopped at once.
func (a *agent) take(wanted []fleet.Assignment) (starting bool) {
	known := map[string]fleet.InstanceActual{}
	for _, in := range a.instances {
		known[in.ID] = in
	}
	a.instances = make([]fleet.InstanceActual, 0, len(wanted))
	for _, w := range wanted {
		in, ok := known[w.ID]
		switch {
		case w.Goal == fleet.GoalStop:
			in = fleet.InstanceActual{ID: w.ID, Service: w.Service, Version: w.Version, Slot: w.Slot, Phase: fleet.PhaseStopped}
		case !ok:
			in = fleet.InstanceActual{ID: w.ID, Service: w.Service, Version: w.Version, Slot: w.Slot, Phase: fleet.PhaseStarting}
			starting = true
		}
		a.instances = append(a.instances, in)
	}
	return starting
}

// ready has all containers run. It needs mu.
func (a *agent) ready() {
	for i := range a.instances {
		in := &a.instances[i]
		if in.Phase != fleet.PhaseStarting {
			continue
		}
		in.Phase, in.Ready, in.Incarnation, in.Address = fleet.PhaseRunning, true, 1, a.facts.Advertise
		in.Container = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		in.Image = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		in.Ports = map[int]int{8080: a.facts.PortRangeFirst + i}
		in.StartedAt = time.Now()
	}
}

// report changes something and reports it.
func (a *agent) report(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	if a.conn != nil {
		a.sendActual()
	}
}

func (a *agent) acceptPool(rest string, payload []byte) {
	var pool fleet.Pool
	env, err := wire.Open(payload, &pool)
	if err != nil {
		return
	}
	key, err := fleet.ParseServiceKey(rest)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if env.Generation > a.pools[key] {
		a.pools[key] = env.Generation
	}
}
