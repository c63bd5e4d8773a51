package main

import (
	"fmt"
	"strings"
)

// page is what docs/benchmarks.md holds.
func page(m machine, o options, results []result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n\n", o.title)
	out.WriteString("`make bench` wrote this page. It starts a real fleet on one machine (a hub, three hosts with an engine and an agent each, HAProxy on the first) ")
	fmt.Fprintf(&out, "and measures every duration %d times. Beside Muster it measures the engines alone and Docker Swarm on the same engines, in turn; and for large fleets a hub with agents that are played to it. All of it, engines and measured containers included, shares the cores of that machine:\n\n", o.runs)
	for _, row := range [][2]string{
		{"CPU", m.cpu}, {"Memory", m.memory}, {"System", m.system + ", " + m.kernel}, {"Container engine", "Docker " + m.engine},
		{"HAProxy", m.haproxy}, {"Go", m.golang}, {"Load average at the start", m.load},
	} {
		fmt.Fprintf(&out, "- %s: %s\n", row[0], row[1])
	}
	out.WriteString("\n")
	out.WriteString(targets(results))
	out.WriteString("\nIn short:\n\n")
	for _, r := range results {
		fmt.Fprintf(&out, "- %s\n", strings.ReplaceAll(r.headline, "**", ""))
	}
	for _, r := range results {
		headline := r.headline
		r.headline = ""
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n%s\n%s\n", r.title, headline, r, r.notes)
	}
	return out.String()
}
