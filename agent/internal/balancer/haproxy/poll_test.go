package haproxy

import (
	"context"
	"fmt"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// BenchmarkLook is the cost of one look at HAProxy, which happens once a
// second at rest and ten times while something moves.
func BenchmarkLook(b *testing.B) {
	for _, look := range []struct {
		count   int
		measure bool
	}{{10, false}, {300, false}, {300, true}} {
		count, name := look.count, fmt.Sprintf("%d-endpoints", look.count)
		if look.measure {
			name += "-measured"
		}
		b.Run(name, func(b *testing.B) {
			r := newRig(b)
			web := newPool(b, "web")
			web.Measure = look.measure
			p := newProgram(b, "a")
			for n := range count {
				e := p.endpoint(fleet.EndpointReady)
				e.Instance = fmt.Sprintf("a%03d", n)
				web.Endpoints = append(web.Endpoints, e)
			}
			r.apply(web)
			r.ready(web, "a000")
			r.detach()
			for b.Loop() {
				if _, err := r.lb.observe(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
