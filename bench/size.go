package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of times in /proc, the same on every Linux that
// Go runs on.
const ticksPerSecond = 100

// process is one that is measured at rest.
type process struct {
	name, program string
	pid           int
	cpu           float64 // share of a core
	pss, rss      int64
}

// size measures what hub and agents take while nothing happens.
func (b *bench) size(ctx context.Context) (result, error) {
	empty, err := b.rest(ctx)
	if err != nil {
		return result{}, err
	}
	if _, err := b.apply(ctx, strings.ReplaceAll(b.document("app:1", 30), ", interval: 1s", "")); err != nil {
		return result{}, err
	}
	full, err := b.rest(ctx)
	if err != nil {
		return result{}, err
	}
	r := result{
		heading: []string{"", "PSS", "RSS", "CPU at rest", "… without containers", "Binary"},
		notes: fmt.Sprintf("30 instances on three hosts, behind one balancer, probed every 2 s as is the default and checked by the balancer, after %s of rest. PSS and RSS as in /proc/PID/smaps_rollup: in PSS the three agents share the pages of their program, in RSS each has them for itself; CPU is user and system time over %s, of one core. Binaries are static and stripped.",
			b.settle, b.idle),
	}
	var worst, base process // the agent that takes most CPU
	var most, binary int64
	for i, p := range full {
		info, err := os.Stat(filepath.Join(filepath.Dir(b.c.CLI), p.program))
		if err != nil {
			return result{}, err
		}
		r.row(p.name, mib(p.pss), mib(p.rss), fmt.Sprintf("%.2f %%", 100*p.cpu), fmt.Sprintf("%.2f %%", 100*empty[i].cpu), mib(info.Size()))
		if p.program != "muster-agent" {
			continue
		}
		most, binary = max(most, p.pss), info.Size()
		if p.cpu > worst.cpu {
			worst, base = p, empty[i]
		}
	}
	agent := r.rows[len(r.rows)-1]
	r.headline = fmt.Sprintf("**At rest the hub takes %s and an agent %s; alone on its machine an agent takes %s at most.**", r.rows[0][1], agent[1], agent[2])
	r.targetNumber("memory of an agent with 10 containers (PSS)", 20, float64(most)/1e6, "MB")
	r.targetNumber("CPU at rest of an agent with 10 containers", 0.3, 100*worst.cpu, "% of a core")
	r.because("It is the %s; without containers it takes %.2g %%. What costs is waking up: on the machine where it was looked into (two cores of an AMD EPYC, virtual, November 2026) each time took 0.6 ms, an HTTP probe beside others 0.1 ms.", worst.name, 100*base.cpu)
	r.targetNumber("an agent's binary, stripped", 20, float64(binary)/1e6, "MB")
	return r, b.remove(ctx)
}

// rest measures the hub and the agents, in this order, while nothing happens.
func (b *bench) rest(ctx context.Context) ([]process, error) {
	if err := pause(ctx, b.settle); err != nil {
		return nil, err
	}
	all := []process{{name: "hub", program: "muster-hub", pid: b.c.Hub.Pid()}}
	for _, host := range b.hosts {
		name := "agent on " + host
		if host == b.hosts[0] {
			name += ", with HAProxy"
		}
		all = append(all, process{name: name, program: "muster-agent", pid: b.c.Agents[host].Pid()})
	}
	before, began := make([]time.Duration, len(all)), time.Now()
	for i, p := range all {
		before[i] = cpuTime(p.pid)
	}
	if err := pause(ctx, b.idle); err != nil {
		return nil, err
	}
	for i := range all {
		p := &all[i]
		p.cpu = (cpuTime(p.pid) - before[i]).Seconds() / time.Since(began).Seconds()
		var err error
		if p.pss, p.rss, err = memory(p.pid); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// cpuTime is what a process has used so far; 0 for one that is gone.
func cpuTime(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// memory is a process's proportional and resident size in bytes.
func memory(pid int) (pss, rss int64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for row := range strings.Lines(string(data)) {
		fields := strings.Fields(row)
		if len(fields) != 3 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "Pss:":
			pss = kib << 10
		case "Rss:":
			rss = kib << 10
		}
	}
	return pss, rss, nil
}
