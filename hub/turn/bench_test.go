package turn

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// BenchmarkPlaceMany places one service's instances on 30 hosts in one turn.
// The time for each instance must not grow with their number.
func BenchmarkPlaceMany(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				w := newWorld(b, manyHosts(30)...).join()
				s := webService(n, "web:1")
				s.Balancing = nil
				b.StartTimer()
				if out := w.step(CommandIn{fleet.Command{ID: "c", Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{s}}}); out.Replies[0].Err != nil {
					b.Fatal(out.Replies[0].Err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/instance")
		})
	}
}

// BenchmarkHeldMany takes a turn while 10,000 instances are wanted that no host
// has room for.
func BenchmarkHeldMany(b *testing.B) {
	w := newWorld(b, manyHosts(3)...).join()
	s := webService(10_000, "web:1")
	s.Balancing, s.Spec.Resources.MemoryReservation = nil, 1<<40
	w.step(CommandIn{fleet.Command{ID: "c", Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{s}}})
	for b.Loop() {
		w.step(CommandIn{fleet.Command{Do: fleet.DoRestart, Service: s.Key}})
	}
}

func manyHosts(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("web%d", i))
	}
	return ids
}

// BenchmarkPlaceEverywhere places a global service. The time for each host must
// not grow with their number.
func BenchmarkPlaceEverywhere(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				w := newWorld(b, manyHosts(n)...).join()
				s := webService(0, "web:1")
				s.Balancing, s.Mode = nil, fleet.ModeGlobal
				b.StartTimer()
				if out := w.step(CommandIn{fleet.Command{ID: "c", Do: fleet.DoApply, Project: "shop", Services: []fleet.Service{s}}}); out.Replies[0].Err != nil {
					b.Fatal(out.Replies[0].Err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/host")
		})
	}
}

// BenchmarkRebalance works out what is to move when as many hosts come as there are:
// nothing else is done meanwhile.
func BenchmarkRebalance(b *testing.B) {
	for _, n := range []int{200, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b, manyHosts(n)...)
			for i := range n / 2 {
				w.hosts[fmt.Sprint("web", i)].cut = true
			}
			w.join()
			var services []fleet.Service
			for i := range 50 {
				s := webService(20, "web:1")
				s.Key.Name, s.Balancing = fmt.Sprint("web", i), nil
				services = append(services, s)
			}
			w.apply(services...)
			w.pass(5 * time.Second)
			for _, h := range w.hosts {
				h.cut = false
			}
			w.pass(5 * time.Second)
			for b.Loop() {
				if plan := w.order(fleet.Command{Do: fleet.DoRebalance, DryRun: true}).Result.Plan; len(plan.Moves) == 0 {
					b.Fatal("nothing moves")
				}
			}
		})
	}
}
