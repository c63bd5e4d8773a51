package brain_test

import (
	"fmt"
	"testing"

	"github.com/musterhq/muster/agent/brain"
)

// BenchmarkProbe is what a host with 100 instances does most of the time.
func BenchmarkProbe(b *testing.B) {
	w := newWorld(b).connected()
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("i%d-1", i))
	}
	w.send(desired(webSpec(), ids...))
	w.settle()
	target := w.probes[0]
	result := brain.ProbeResult{Instance: target.Instance, Container: target.Container, OK: true}
	b.ReportAllocs()
	for b.Loop() {
		brain.Step(w.state, brain.Probed{Result: result}, w.now)
	}
}

// BenchmarkListing is one listing of the same host in which nothing changed.
func BenchmarkListing(b *testing.B) {
	w := newWorld(b).connected()
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("i%d-1", i))
	}
	w.send(desired(webSpec(), ids...))
	w.settle()
	b.ReportAllocs()
	for b.Loop() {
		in := w.listing()
		in.After = w.state.Turn()
		brain.Step(w.state, in, w.now)
	}
}
