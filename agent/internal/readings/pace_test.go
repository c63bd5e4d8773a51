package readings

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// However long it fails, a target is left in peace between two probes.
func TestPausesGrowUpToTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := prober(t)
		asked := target("neither", "") // fails at once
		asked.Interval = 2 * time.Second
		p.Set([]brain.ProbeTarget{asked})
		<-results
		want := firstRetry
		for n := range 100 {
			last := time.Now()
			<-results
			if pause := time.Since(last); pause != want {
				t.Fatalf("after %d failures it waits %v, want %v", n+1, pause, want)
			}
			want = min(2*want, asked.Interval)
		}
	})
}

func TestPhase(t *testing.T) {
	spread := map[time.Duration]bool{}
	for i := range 100 {
		d := phase(fmt.Sprint("i", i), 2*time.Second)
		if d < time.Second || d >= 2*time.Second {
			t.Errorf("phase %v", d)
		}
		if d != phase(fmt.Sprint("i", i), 2*time.Second) {
			t.Error("the phase changes")
		}
		spread[d.Truncate(100*time.Millisecond)] = true
	}
	if len(spread) < 8 {
		t.Errorf("phases fall into %d of 10 tenths", len(spread))
	}
}

// Probes of many instances fall on few moments; none is off by more than half a
// beat at both its ends, and in the long run the interval is kept.
func TestProbesShareMoments(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 1200 * time.Millisecond, 2 * time.Second, 7 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p, results := prober(t)
			p.check = func(context.Context, *brain.ProbeTarget) error { return nil }
			var targets []brain.ProbeTarget
			for i := range 20 {
				asked := target(fleet.ProbeTCP, "")
				asked.Instance, asked.Interval = fmt.Sprint("i", i), interval
				targets = append(targets, asked)
			}
			p.Set(targets)
			began, moments, probed := time.Now(), map[time.Duration]bool{}, map[string][]time.Duration{}
			for at := time.Duration(0); at <= 100*interval; at = time.Since(began) {
				r := <-results
				moments[time.Since(began)] = true
				probed[r.Instance] = append(probed[r.Instance], time.Since(began))
			}
			for instance, times := range probed {
				for i := 2; i < len(times); i++ { // the first pause is a phase
					if off := times[i] - times[i-1] - interval; off.Abs() > beat {
						t.Fatalf("%s: %v after the one before, asked for each %v", instance, times[i]-times[i-1], interval)
					}
				}
				if n := len(times); n < 100 || n > 102 {
					t.Errorf("%s was probed %d times in 100 intervals of %v", instance, n, interval)
				}
			}
			if most := int(100*interval/beat) + 2; len(moments) > most {
				t.Errorf("interval %v: probes at %d moments, want at most %d", interval, len(moments), most)
			}
		})
	}
}

// However long its answers take, a target is left in peace between two probes.
func TestSlowTargetsAreLeftInPeace(t *testing.T) {
	for _, c := range []struct{ interval, takes, pause time.Duration }{
		{time.Second, 200 * time.Millisecond, 550 * time.Millisecond},
		{time.Second, 990 * time.Millisecond, 750 * time.Millisecond},
		{2 * time.Second, 700 * time.Millisecond, 1750 * time.Millisecond},
		{2 * time.Second, 2 * time.Second, 1750 * time.Millisecond},
		{2 * time.Second, 10 * time.Second, 1750 * time.Millisecond},
		{50 * time.Millisecond, 45 * time.Millisecond, 50 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, results := prober(t)
			var ended time.Time
			probes := 0
			p.check = func(context.Context, *brain.ProbeTarget) error {
				probes++
				if pause := time.Since(ended); probes > 2 && pause < c.pause { // the first pause is a phase
					t.Errorf("interval %v, probes of %v: it is probed again after %v, want %v at least", c.interval, c.takes, pause, c.pause)
				}
				time.Sleep(c.takes)
				ended = time.Now()
				return nil
			}
			asked := target(fleet.ProbeTCP, "")
			asked.Interval = c.interval
			p.Set([]brain.ProbeTarget{asked})
			for range 50 {
				<-results
			}
		})
	}
}
