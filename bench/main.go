// Command bench measures Muster on this machine: a hub and three hosts with
// engines of their own, as real programs, and HAProxy on the first. Beside
// what depends on the engines it measures the engines alone and Docker Swarm on
// them, in the same run. A hub by itself it measures with thousands of agents
// that package crowd plays. It prints what it found, beside what was aimed at,
// and writes it to a page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/musterhq/muster/test/hosts"
)

// options of a run.
type options struct {
	runs   int
	only   map[string]bool // empty: all measurements
	settle time.Duration   // before the memory is read
	idle   time.Duration   // over which idle CPU is counted
	page   string          // written at the end; empty: none is
	title  string          // of the page
	logs   string          // the programs' logs go there; empty: nowhere
	agents int             // that scale1000 takes
	debug  string          // where a hub that is measured by itself has its profiles; empty: nowhere
}

func main() {
	var o options
	flag.IntVar(&o.runs, "runs", 5, "`number` of times that each duration is measured")
	only := flag.String("only", "", "measure these only, of "+strings.Join(names(), ","))
	flag.DurationVar(&o.settle, "settle", 30*time.Second, "`time` of rest before the memory is read")
	flag.DurationVar(&o.idle, "idle", time.Minute, "`time` over which idle CPU is counted")
	flag.StringVar(&o.page, "page", "", "`file` that is written at the end; empty: none")
	flag.StringVar(&o.title, "title", "Benchmarks", "`title` of the page")
	flag.StringVar(&o.logs, "logs", "", "`file` for the logs of hub and agents")
	flag.IntVar(&o.agents, "agents", oneThousand, "`number` of agents in scale1000, for a look at something else")
	flag.StringVar(&o.debug, "debug-addr", "", "`address` of the profiles of a hub that is measured with many agents; empty: nowhere")
	flag.Parse()
	var err error
	if o.only, err = chosen(*only); err == nil {
		ctx, stop := hosts.UntilEnded()
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func chosen(list string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		known := false
		for _, n := range names() {
			known = known || n == name
		}
		if !known {
			return nil, fmt.Errorf("nothing is called %q: there are %s", name, strings.Join(names(), ", "))
		}
		out[name] = true
	}
	return out, nil
}

func run(ctx context.Context, o options) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces and engines need root: run it with sudo")
	}
	if o.runs < 1 || o.runs > 50 {
		return fmt.Errorf("%d runs are not between 1 and 50", o.runs)
	}
	m, err := readMachine(ctx)
	if err != nil {
		return err
	}
	say("%s", m)
	b := &bench{options: o}
	defer func() { err = errors.Join(err, b.end()) }()
	var results []result
	for _, one := range measurements {
		if len(o.only) > 0 && !o.only[one.name] {
			continue
		}
		say("\n%s", one.title)
		if err := b.prepare(ctx, one.alone); err != nil {
			return err
		}
		r, err := one.measure(b, ctx)
		if err != nil {
			return fmt.Errorf("measure %s: %w", one.name, err)
		}
		r.title = one.title
		results = append(results, r)
		say("%s", r)
	}
	say("\n%s", targets(results))
	if o.page == "" {
		return nil
	}
	if err := os.WriteFile(o.page, []byte(page(m, o, results)), 0o644); err != nil {
		return err
	}
	say("\nWritten to %s.", o.page)
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
