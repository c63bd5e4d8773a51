package rollout

import "math"

// maxWeight is the highest weight that every balancer knows.
const maxWeight = 256

// even is the weight of all where all have the same.
const even = 128

// Weights are those of one new and one old instance that give the new ones a
// share of the traffic nearest to percent. 0: none gets any. Where a side has no
// instance, the other has all.
func Weights(news, olds, percent int) (newWeight, oldWeight int) {
	switch {
	case percent == Natural || news == 0 || olds == 0:
		return even, even
	case percent <= 0:
		return 0, even
	case percent >= 100:
		return even, 0
	}
	best := math.Inf(1)
	wanted := float64(percent) / 100
	for w := 1; w <= maxWeight; w++ {
		below := int(wanted * float64(olds*w) / ((1 - wanted) * float64(news)))
		for _, n := range []int{max(below, 1), below + 1} {
			n = min(n, maxWeight)
			is := float64(news*n) / float64(news*n+olds*w)
			if off := math.Abs(is - wanted); off < best-1e-12 {
				best, newWeight, oldWeight = off, n, w
			}
		}
	}
	return newWeight, oldWeight
}
