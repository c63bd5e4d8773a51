package compose

import (
	"github.com/musterhq/muster/shared/fleet"
)

// Orders in which an old instance and its successor stop and start.
const (
	startFirst = "start-first"
	stopFirst  = "stop-first"
)

// pace is what both x-rollout and update_config can say; nil: not stated.
type pace struct {
	path             string
	batch            *int
	order, onFailure *string
	delay, monitor   *fleet.Duration
}

func readPace(f *fields) pace {
	out := pace{path: f.path, delay: f.stated("delay"), monitor: f.stated("monitor")}
	if n := f.number("batch", fleet.MaxBatch); n != 0 {
		out.batch = &n
	}
	out.order = f.choice("order", startFirst, stopFirst)
	out.onFailure = f.choice("on_failure", fleet.OnFailureRollback, fleet.OnFailurePause)
	return out
}

// choice reads one of two words; nil where it isn't stated.
func (f *fields) choice(key, a, b string) *string {
	if !f.has(key) {
		return nil
	}
	word := f.text(key)
	if word != a && word != b {
		f.p.invalid(f.at(key), "%q is not supported", word).WithHint("use %s or %s", a, b)
		return nil
	}
	return &word
}

// join puts together what x-rollout and update_config say.
func (x pace) join(p *problems, update pace) pace {
	there := func(key string) string { return join(update.path, key) }
	x.batch = once(p, join(x.path, "batch"), there("parallelism"), x.batch, update.batch)
	x.order = once(p, join(x.path, "order"), there("order"), x.order, update.order)
	x.delay = once(p, join(x.path, "delay"), there("delay"), x.delay, update.delay)
	x.monitor = once(p, join(x.path, "monitor"), there("monitor"), x.monitor, update.monitor)
	x.onFailure = once(p, join(x.path, "on_failure"), there("failure_action"), x.onFailure, update.onFailure)
	return x
}

// once takes what one of two places states. Where both do, they must agree.
func once[T comparable](p *problems, path, otherPath string, stated, other *T) *T {
	if stated == nil {
		return other
	}
	if other != nil && *other != *stated {
		p.add(fleet.Conflict(path, "says %v, and %s says %v", *stated, otherPath, *other)).WithHint("state it once")
	}
	return stated
}

// stated are the keys of a Compose file that only a rolling has a use for.
func (x pace) stated() map[string]bool {
	return map[string]bool{"parallelism": x.batch != nil, "delay": x.delay != nil, "order": x.order != nil}
}

func (x pace) fill(spec *fleet.RolloutSpec) {
	if x.batch != nil {
		spec.Batch = *x.batch
	}
	if x.order != nil {
		spec.StopFirst = *x.order == stopFirst
	}
	if x.delay != nil {
		spec.Delay = *x.delay
	}
	if x.onFailure != nil {
		spec.OnFailure = *x.onFailure
	}
	spec.Monitor = x.monitor
}
