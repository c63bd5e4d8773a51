package simtest

import (
	"time"

	"github.com/musterhq/muster/agent/brain"
)

// The longest that an agent's adapter waits for its engine.
const (
	listWithin = 10 * time.Second
	workWithin = time.Minute
	pullWithin = 10 * time.Minute
)

func limitOf(op brain.Op) time.Duration {
	switch op.Kind {
	case brain.OpPull:
		return pullWithin
	case brain.OpStop:
		return op.Grace + workWithin
	}
	return workWithin
}

// call has the engine do something and answer. While it hangs it does neither:
// the caller gives up at the limit, and what was asked for is done all the
// same once the engine works again. Nothing comes of it when alive says that
// the power went meanwhile.
func (e *engine) call(limit time.Duration, alive func() bool, do func() (answer func()), giveUp func()) {
	over := false
	once := func(then func()) {
		if !over && alive() {
			over = true
			then()
		}
	}
	act := func() {
		if alive() {
			once(do())
		}
	}
	if !e.hangs {
		act()
		return
	}
	e.stuck = append(e.stuck, act)
	e.sim.after(limit, func() { once(giveUp) })
}

// hang has the engine stand still, as one does that was sent SIGSTOP.
func (e *engine) hang() {
	if !e.host.off {
		e.hangs = true
	}
}

// goOn has it do what waited meanwhile.
func (e *engine) goOn() {
	stuck := e.stuck
	e.hangs, e.stuck = false, nil
	for _, act := range stuck {
		e.sim.after(time.Millisecond, act)
	}
}
