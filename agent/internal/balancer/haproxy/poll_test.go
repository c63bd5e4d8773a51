package haproxy

import (
	"context"
	"fmt"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/lbtest"
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
			r := lbtest.NewRig(b, driver())
			web := lbtest.NewPool(b, "web")
			web.Measure = look.measure
			p := lbtest.NewProgram(b, "a")
			for n := range count {
				e := p.Endpoint(fleet.EndpointReady)
				e.Instance = fmt.Sprintf("a%03d", n)
				web.Endpoints = append(web.Endpoints, e)
			}
			r.Apply(web)
			r.Ready(web, "a000")
			r.Detach()
			for b.Loop() {
				if _, err := lbOf(r).observe(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
