package simtest

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice are one source of chance. Each purpose has its own, so that one more
// message, say, doesn't change how long an image takes to come.
type dice struct{ *rand.Rand }

func (s *Sim) chance(purpose string) *dice {
	if s.dice[purpose] == nil {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(purpose)) // never fails
		s.dice[purpose] = &dice{rand.New(rand.NewPCG(s.options.Seed, hash.Sum64()))}
	}
	return s.dice[purpose]
}

// between returns a time from least on and below most.
func (d *dice) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(d.Int64N(int64(most-least)))
}
