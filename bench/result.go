package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// measurement is one thing that is measured.
type measurement struct {
	name    string
	title   string
	measure func(*bench, context.Context) (result, error)
	alone   bool // without the fleet of test hosts
}

// measurements in their order on the page.
var measurements = []measurement{
	{"apply1", "Apply to 1 running and ready, on 3 hosts", (*bench).applyOne, false},
	{"apply10", "Apply to 10 running and ready, on 3 hosts", (*bench).applyTen, false},
	{"apply30", "Apply to 30 running and ready, on 3 hosts", (*bench).applyThirty, false},
	{"first", "Apply to the first answer through the balancer, on 1 host", (*bench).firstAnswer, false},
	{"kill", "A container is killed", (*bench).kill, false},
	{"replace", "10 instances are replaced, start first", (*bench).replace, false},
	{"rollouts", "Rollouts under load", (*bench).rollouts, false},
	{"takeback", "A bad version, and the way back", (*bench).takeBack, false},
	{"death", "A host dies", (*bench).death, false},
	{"size", "Size at rest, with 30 instances", (*bench).size, false},
	{"plan", "One change in a fleet of 10,000 instances", (*bench).plan, true},
	{"scale1000", "A hub with 1,000 agents", (*bench).scaleThousand, true},
	{"scale10000", "A hub with 10,000 agents", (*bench).scaleTenThousand, true},
}

func names() []string {
	var out []string
	for _, m := range measurements {
		out = append(out, m.name)
	}
	return out
}

// series is one duration, measured several times.
type series []time.Duration

func (s series) sorted() series {
	out := slices.Clone(s)
	slices.Sort(out)
	return out
}

// median is the middle one, or the mean of the two in the middle.
func (s series) median() time.Duration {
	sorted := s.sorted()
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// result is a measurement's table.
type result struct {
	title    string
	headline string // one sentence with the number that counts
	heading  []string
	rows     [][]string
	notes    string // what exactly was measured
	targets  []target
}

// times adds a row for a duration.
func (r *result) times(what string, s series) {
	sorted := s.sorted()
	r.row(what, show(s.median()), show(sorted[0]), show(sorted[len(sorted)-1]))
}

// row adds a row; what it lacks stays empty.
func (r *result) row(cells ...string) {
	if r.heading == nil {
		r.heading = []string{"", "Median", "Least", "Most"}
	}
	for len(cells) < len(r.heading) {
		cells = append(cells, "")
	}
	r.rows = append(r.rows, cells)
}

// show writes a duration as people compare it.
func show(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// ratio of two medians, in words.
func ratio(a, b series) string { return fmt.Sprintf("%.2f", a.median().Seconds()/b.median().Seconds()) }

// String is the result as a table in Markdown, which is readable as it is.
func (r result) String() string {
	var out strings.Builder
	width := make([]int, len(r.heading))
	all := append([][]string{r.heading}, r.rows...)
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range all {
		line(&out, row, width)
		if n == 0 {
			rule := make([]string, len(width))
			for i := range rule {
				rule[i] = "---"
			}
			line(&out, rule, width)
		}
	}
	if r.headline != "" {
		out.WriteString("\n" + r.headline + "\n")
	}
	return out.String()
}

func line(out *strings.Builder, cells []string, width []int) {
	for i, cell := range cells {
		fmt.Fprintf(out, "| %-*s ", width[i], cell)
	}
	out.WriteString("|\n")
}
