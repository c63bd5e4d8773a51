package simtest

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// torment is how long a random fleet is broken.
const torment = 90 * time.Second

// TestRandomFleets breaks fleets at random, one for each seed. SIM_N says how
// many, SIM_SEED tells the same story again.
func TestRandomFleets(t *testing.T) {
	first, n := number(t, "SIM_SEED", 0), number(t, "SIM_N", 24)
	if first != 0 && os.Getenv("SIM_N") == "" {
		n = 1
	}
	for seed := max(first, 1); seed < max(first, 1)+n; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			if _, err := Torment(RandomOptions(seed), torment); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSameSeedSameStory proves that nothing in a run depends on anything but
// its seed: neither on the order of a map nor on the machine's clock.
func TestSameSeedSameStory(t *testing.T) {
	a, errA := Torment(RandomOptions(7), torment)
	b, errB := Torment(RandomOptions(7), torment)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if a.Sum() != b.Sum() {
		t.Error("one seed tells two stories")
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
