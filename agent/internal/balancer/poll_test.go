package balancer

import (
	"context"
	"fmt"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// BenchmarkLook is the cost of one look at HAProxy, which happens once a
// second at rest and ten times while something moves.
func BenchmarkLook(b *testing.B) {
	for _, count := range []int{10, 300} {
		b.Run(fmt.Sprintf("%d-endpoints", count), func(b *testing.B) {
			r := newRig(b)
			web := newPool(b, "web")
			p := newProgram(b, "a")
			for n := range count {
				e := p.endpoint(fleet.EndpointReady)
				e.Instance = fmt.Sprintf("a%03d", n)
				web.Endpoints = append(web.Endpoints, e)
			}
			r.apply(web)
			r.ready(web, "a000")
			for b.Loop() {
				if _, err := r.lb.observe(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
