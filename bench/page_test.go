package main

import (
	"strings"
	"testing"
	"time"
)

func TestPageHasEachTargetBesideWhatWasMeasured(t *testing.T) {
	r := result{title: "A thing", headline: "**It takes 3 s.**", notes: "As it is."}
	r.times("the thing", series{3 * time.Second, time.Second, 4 * time.Second})
	r.row("its size", "5 MiB")
	r.targetTime("the thing", 2*time.Second, 3*time.Second)
	r.because("Two of %d s are the machine's.", 3)
	r.targetNumber("its size", 20, 5.25, "MB")
	r.because("That isn't said of what is met.")
	got := page(machine{cpu: "one core"}, options{runs: 3}, []result{r})
	if strings.Contains(got, "That isn't said") {
		t.Errorf("what is met is explained:\n%s", got)
	}
	for _, want := range []string{
		"- CPU: one core\n",
		"| Target    | Aim      | Measured |            |\n",
		"| the thing | ≤ 2.00 s | 3.00 s   | **missed** |\n",
		"| its size  | ≤ 20 MB  | 5.25 MB  | met        |\n",
		"\n\n- Missed: the thing. Two of 3 s are the machine's.\n\nIn short:\n",
		"- It takes 3 s.\n",
		"## A thing\n\n**It takes 3 s.**\n",
		"| the thing | 3.00 s | 1.00 s | 4.00 s |\n| its size  | 5 MiB  |        |        |\n",
		"\nAs it is.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   series
		want time.Duration
	}{{nil, 0}, {series{5}, 5}, {series{9, 1, 5}, 5}, {series{4, 1, 9, 2}, 3}} {
		if got := c.of.median(); got != c.want {
			t.Errorf("of %v: %d, want %d", c.of, got, c.want)
		}
	}
}
