package main

import (
	"fmt"
	"strings"
	"time"
)

// target is what was aimed at beside what was measured.
type target struct {
	what, aim, measured string
	met                 bool
	why                 string // it was missed, as far as that is known
}

// target adds one. Less is better.
func (r *result) target(what, aim, measured string, met bool) {
	r.targets = append(r.targets, target{what: what, aim: aim, measured: measured, met: met})
}

func (r *result) targetTime(what string, aim, measured time.Duration) {
	r.target(what, "≤ "+show(aim), show(measured), measured <= aim)
}

// targetNumber has a unit behind both numbers.
func (r *result) targetNumber(what string, aim, measured float64, unit string) {
	r.target(what, fmt.Sprintf("≤ %g %s", aim, unit), fmt.Sprintf("%.4g %s", measured, unit), measured <= aim)
}

// because says what the last target's measured value is made of, for the case
// that it is missed.
func (r *result) because(format string, args ...any) {
	r.targets[len(r.targets)-1].why = fmt.Sprintf(format, args...)
}

// targets is the table of what was aimed at, and why what was missed was.
func targets(results []result) string {
	all := result{heading: []string{"Target", "Aim", "Measured", ""}}
	var why strings.Builder
	for _, r := range results {
		for _, t := range r.targets {
			verdict := "met"
			if !t.met {
				verdict = "**missed**"
				if t.why != "" {
					fmt.Fprintf(&why, "- Missed: %s. %s\n", t.what, t.why)
				}
			}
			all.rows = append(all.rows, []string{t.what, t.aim, t.measured, verdict})
		}
	}
	if len(all.rows) == 0 {
		return ""
	}
	if why.Len() == 0 {
		return all.String()
	}
	return all.String() + "\n" + why.String()
}
