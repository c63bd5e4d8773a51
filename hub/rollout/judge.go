package rollout

import (
	"fmt"
	"math"

	"github.com/musterhq/muster/shared/fleet"
)

// Counts are what the balancers counted of one version's requests over the time
// that is judged.
type Counts struct {
	Requests, Failed uint64
	AverageMS        float64 // of a request
	// Earlier: they are of a time before the one that is judged, so only shares are
	// compared with them.
	Earlier bool
}

// What a verdict can be.
const (
	Inconclusive = "inconclusive" // too little is known
	Held         = "held"         // a judge asks to wait
	Passes       = "passes"
	Fails        = "fails"
)

// Verdict is how the new version does.
type Verdict struct {
	Result string
	Why    string // in words; empty when it passes
}

// granted is how much slower a request may always be: less can't be told from noise.
const granted = 50

// averaged is how many times the fewest requests a mean of their times needs on both
// sides before it is compared: a few slow ones among few requests are chance.
const averaged = 5

// Doubts that a verdict has to overcome: how many standard deviations a share of
// failures has to be away from what is asked for. Who looks all the time would see
// chance do it once in a while: between two intervals it has to be plain.
const (
	Reasonable = 1.96 // 95 %
	Slightest  = 4.0
)

// Judge compares the new version with the old one over the same time. Too few
// requests say nothing, and what may be chance isn't held against anybody: a
// share of failures counts when even its likely best is below what is asked for.
func Judge(v fleet.Verify, candidate, stable Counts, doubt float64) Verdict {
	if *v.Off {
		return Verdict{Result: Passes}
	}
	if candidate.Requests < uint64(v.Requests) {
		return Verdict{Inconclusive, fmt.Sprintf("%d requests of at least %d", candidate.Requests, v.Requests)}
	}
	succeeds := share(candidate)
	if best := wilson(candidate, +doubt); candidate.Failed > 0 && best < v.Success && (stable.Requests == 0 || succeeds < wilson(stable, -doubt)) {
		return Verdict{Fails, fmt.Sprintf("%d of %d requests failed: %.1f %% succeed, %s", candidate.Failed, candidate.Requests, succeeds, against(v.Success, stable))}
	}
	enough := averaged * uint64(v.Requests)
	limit := max(v.Slower*stable.AverageMS, stable.AverageMS+granted)
	if !stable.Earlier && stable.Requests >= enough && candidate.AverageMS > limit {
		why := fmt.Sprintf("a request takes %.0f ms, the old version's %.0f ms", candidate.AverageMS, stable.AverageMS)
		if candidate.Requests < enough {
			return Verdict{Inconclusive, fmt.Sprintf("%s, by %d requests of at least %d, which may be chance", why, candidate.Requests, enough)}
		}
		return Verdict{Fails, why}
	}
	if succeeds < v.Success && (stable.Requests == 0 || succeeds < share(stable)) {
		return Verdict{Inconclusive, fmt.Sprintf("%d of %d requests failed, which may be chance", candidate.Failed, candidate.Requests)}
	}
	return Verdict{Result: Passes}
}

func against(wanted float64, stable Counts) string {
	if stable.Requests == 0 {
		return fmt.Sprintf("at least %g %% are to", wanted)
	}
	return fmt.Sprintf("at least %g %% are to, and of the old version's %.1f %% do", wanted, share(stable))
}

// share of requests that succeeded, in percent.
func share(c Counts) float64 {
	if c.Requests == 0 {
		return 100
	}
	return 100 * (1 - float64(c.Failed)/float64(c.Requests))
}

// wilson is the upper end of the interval in which the true share of successes lies,
// in percent, for so many standard deviations; with a negative number the lower.
// https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval
func wilson(c Counts, z float64) float64 {
	n := float64(c.Requests)
	p := share(c) / 100
	middle := p + z*z/(2*n)
	spread := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return 100 * (middle + spread) / (1 + z*z/n)
}
