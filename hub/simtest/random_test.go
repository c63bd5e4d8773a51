package simtest

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
)

// enough failures are told: more of them seldom tell more.
const enough = 3

// TestRandomFleets breaks fleets at random, one for each seed. SIM_N says how
// many and SIM_SEED the first; with SIM_STORY all that happened is told.
func TestRandomFleets(t *testing.T) {
	run := fleets{live: Torment, first: number(t, "SIM_SEED", 1), n: number(t, "SIM_N", 24), story: os.Getenv("SIM_STORY") != ""}
	run.all(t)
}

// TestRandomRollouts upgrades what runs on small fleets at random, one for each
// seed.
func TestRandomRollouts(t *testing.T) {
	run := fleets{live: Upgrade, first: number(t, "SIM_SEED", 1), n: number(t, "SIM_N", 200), story: os.Getenv("SIM_STORY") != ""}
	run.all(t)
}

// fleets are random fleets, as many at once as there are processors.
type fleets struct {
	live     func(Options) (*Sim, error)
	first, n uint64
	story    bool

	mu     sync.Mutex // guards what follows
	begun  uint64
	ended  uint64
	failed int
}

func (f *fleets) all(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(2000)) // much is made and dropped
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed, more := f.next(); more; seed, more = f.next() {
				s, err := f.live(RandomOptions(seed))
				if f.story {
					t.Logf("seed %d:\n%s", seed, s.Story())
				}
				f.done(t, seed, err)
			}
		})
	}
	workers.Wait()
}

func (f *fleets) next() (seed uint64, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun == f.n || f.failed >= enough {
		return 0, false
	}
	f.begun++
	return f.first + f.begun - 1, true
}

// done tells how far the run is, where it is a long one.
func (f *fleets) done(t *testing.T, seed uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
	if err != nil {
		f.failed++
		t.Errorf("seed %d: %v", seed, err)
	}
	if f.ended%1000 == 0 {
		fmt.Fprintf(os.Stderr, "%d of %d fleets, %d failed\n", f.ended, f.n, f.failed)
	}
}

// TestSameSeedSameStory proves that nothing in a run depends on anything but
// its seed: neither on the order of a map nor on the machine's clock.
func TestSameSeedSameStory(t *testing.T) {
	for _, live := range []func(Options) (*Sim, error){Torment, Upgrade} {
		a, errA := live(RandomOptions(7))
		b, errB := live(RandomOptions(7))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if a.Sum() != b.Sum() {
			t.Error("one seed tells two stories")
		}
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
