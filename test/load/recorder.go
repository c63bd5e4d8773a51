package load

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// outcome is what became of one request.
type outcome struct {
	request  int // -1 for an idle connection's
	slow     bool
	due      time.Time
	took     time.Duration
	reused   bool
	again    bool // it was sent once more
	reopened int  // kept connections that were found closed before
	instance string
	version  string
	err      error // nil: 2xx, read to the end
	cut      bool  // ended by the generator itself
}

// recorder counts outcomes.
type recorder struct {
	began time.Time

	mu        sync.Mutex // guards what follows
	result    Result
	latencies []time.Duration
}

func newRecorder(began time.Time) *recorder {
	return &recorder{began: began, result: Result{
		ByError: map[string]int{}, ByInstance: map[string]int{}, ByVersion: map[string]int{}, RefusedBy: map[string]int{},
		WebSockets: WebSocketResult{ByError: map[string]int{}},
		Calls:      CallResult{ByVersion: map[string]int{}, ByError: map[string]int{}},
	}}
}

func (r *recorder) add(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &r.result
	res.Sent++
	res.Reopened += o.reopened
	if o.reused {
		res.Reused++
	}
	if o.again {
		res.Again++
	}
	if o.instance != "" {
		res.ByInstance[o.instance]++
	}
	if o.version != "" {
		res.ByVersion[o.version]++
	}
	idle := o.request < 0
	if idle {
		res.Idle.Sent++
		res.Idle.Reopened += o.reopened
		if o.reused {
			res.Idle.Reused++
		}
	}
	switch {
	case o.cut:
		res.Cut++
		return
	case o.err == nil:
		res.OK++
		if !o.slow {
			r.latencies = append(r.latencies, o.took)
		}
	default:
		res.Failed++
		if idle {
			res.Idle.Failed++
		}
		var refused statusError
		if errors.As(o.err, &refused) && o.version != "" {
			res.RefusedBy[o.version]++
		}
		kind := errorKind(o.err)
		res.ByError[kind]++
		if len(res.Failures) < maxFailures {
			res.Failures = append(res.Failures, Failure{
				Request: o.request, At: o.due.Sub(r.began), Error: kind,
				Slow: o.slow, Reused: o.reused, Instance: o.instance,
			})
		}
	}
}

// webSocket changes the WebSockets' counts.
func (r *recorder) webSocket(change func(*WebSocketResult)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.result.WebSockets)
}

// call counts one gRPC call.
func (r *recorder) call(version string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := &r.result.Calls
	calls.Sent++
	if err != nil {
		calls.Failed++
		calls.ByError[err.Error()]++
		return
	}
	calls.ByVersion[version]++
}

// snapshot returns the counts so far.
func (r *recorder) snapshot(now time.Time) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := r.result
	res.ByError = maps.Clone(res.ByError)
	res.ByInstance = maps.Clone(res.ByInstance)
	res.ByVersion = maps.Clone(res.ByVersion)
	res.RefusedBy = maps.Clone(res.RefusedBy)
	res.Failures = slices.Clone(res.Failures)
	res.WebSockets.ByError = maps.Clone(res.WebSockets.ByError)
	res.Calls.ByVersion, res.Calls.ByError = maps.Clone(res.Calls.ByVersion), maps.Clone(res.Calls.ByError)
	sorted := slices.Sorted(slices.Values(r.latencies))
	res.Latency = Latency{P50: percentile(sorted, 0.5), P99: percentile(sorted, 0.99), Max: percentile(sorted, 1)}
	res.Elapsed = now.Sub(r.began)
	return res
}
