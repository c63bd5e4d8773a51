package load

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// maxFailures bounds the failures that a Result describes one by one.
const maxFailures = 50

// Result is what became of the requests. Sent = OK + Failed + Cut.
type Result struct {
	Sent   int
	OK     int
	Failed int
	Cut    int // in flight when Run's context, or Stop's, ended

	ByError    map[string]int // failed requests: "status 503", "read: EOF" …
	ByInstance map[string]int // answered requests, by X-Instance
	ByVersion  map[string]int // answered requests, by X-Version
	// RefusedBy are failed requests that the service itself answered, whole, by
	// X-Version: nobody on the way lost them.
	RefusedBy map[string]int
	Failures  []Failure // the first 50

	Latency Latency // of requests that went well and aren't slow by intent

	Reused   int // requests sent over a connection that was there
	Reopened int // kept connections found closed before a request was due
	Again    int // requests that were sent once more: what a client loses that never does

	Idle       IdleResult
	WebSockets WebSocketResult
	Calls      CallResult
	Elapsed    time.Duration
}

// Latency is from the moment at which a request was due until its whole answer
// was read.
type Latency struct {
	P50, P99, Max time.Duration
}

// IdleResult is about the connections that rest between requests; these
// requests are in Sent, OK and Failed as well.
type IdleResult struct {
	Sent     int
	Reused   int // over the very connection that had rested
	Reopened int
	Failed   int
}

// WebSocketResult is about the WebSockets.
type WebSocketResult struct {
	Opened   int
	Messages int            // sent and received back
	Closed   int            // by the server with a close frame, then renewed
	Failed   int            // broke without one, or couldn't be opened
	ByError  map[string]int // of Failed
}

// CallResult is about the gRPC calls; one that the run's end cut isn't counted.
type CallResult struct {
	Sent      int
	Failed    int
	ByVersion map[string]int // those that went well, by x-version
	ByError   map[string]int // of Failed
}

// Failure is one failed request.
type Failure struct {
	Request  int // its number, from 0; -1 for an idle connection's
	At       time.Duration
	Error    string
	Slow     bool
	Reused   bool   // was sent over a connection that was there
	Instance string // that answered, if one did
}

// Lost is how many requests failed that the service itself didn't refuse.
func (r Result) Lost() int {
	lost := r.Failed
	for _, refused := range r.RefusedBy {
		lost -= refused
	}
	return lost
}

// Err is nil if nothing failed.
func (r Result) Err() error {
	var errs []error
	if r.Failed > 0 {
		errs = append(errs, fmt.Errorf("%d of %d requests failed: %s", r.Failed, r.Sent, tally(r.ByError)))
	}
	if ws := r.WebSockets; ws.Failed > 0 {
		errs = append(errs, fmt.Errorf("WebSockets failed %d times: %s", ws.Failed, tally(ws.ByError)))
	}
	if calls := r.Calls; calls.Failed > 0 {
		errs = append(errs, fmt.Errorf("%d of %d gRPC calls failed: %s", calls.Failed, calls.Sent, tally(calls.ByError)))
	}
	return errors.Join(errs...)
}

func (r Result) String() string {
	return fmt.Sprintf(
		"sent %d, ok %d, failed %d, cut %d in %v; p50 %v, p99 %v, max %v; "+
			"reused %d, reopened %d, sent again %d; idle: sent %d, reused %d, reopened %d, failed %d; "+
			"websockets: opened %d, messages %d, closed %d, failed %d; calls: sent %d, failed %d, versions %s; instances %s; versions %s; refused by versions %s; errors %s",
		r.Sent, r.OK, r.Failed, r.Cut, r.Elapsed.Round(time.Millisecond),
		r.Latency.P50.Round(time.Microsecond), r.Latency.P99.Round(time.Microsecond), r.Latency.Max.Round(time.Microsecond),
		r.Reused, r.Reopened, r.Again, r.Idle.Sent, r.Idle.Reused, r.Idle.Reopened, r.Idle.Failed,
		r.WebSockets.Opened, r.WebSockets.Messages, r.WebSockets.Closed, r.WebSockets.Failed,
		r.Calls.Sent, r.Calls.Failed, tally(r.Calls.ByVersion),
		tally(r.ByInstance), tally(r.ByVersion), tally(r.RefusedBy), tally(r.ByError))
}

// tally prints counts in the order of their keys.
func tally(counts map[string]int) string {
	text := "["
	for i, key := range slices.Sorted(maps.Keys(counts)) {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s: %d", key, counts[key])
	}
	return text + "]"
}

// percentile is the smallest value that p (0 to 1) of the sorted values don't
// exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
