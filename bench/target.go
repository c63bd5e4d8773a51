package main

import (
	"fmt"
	"time"
)

// target is what was aimed at beside what was measured.
type target struct{ what, aim, measured, verdict string }

// target adds one. Less is better.
func (r *result) target(what, aim, measured string, met bool) {
	verdict := "met"
	if !met {
		verdict = "**missed**"
	}
	r.targets = append(r.targets, target{what, aim, measured, verdict})
}

func (r *result) targetTime(what string, aim, measured time.Duration) {
	r.target(what, "≤ "+show(aim), show(measured), measured <= aim)
}

// targetNumber has a unit behind both numbers.
func (r *result) targetNumber(what string, aim, measured float64, unit string) {
	r.target(what, fmt.Sprintf("≤ %g %s", aim, unit), fmt.Sprintf("%.4g %s", measured, unit), measured <= aim)
}
