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

// size measures what hub and agents take while nothing happens.
func (b *bench) size(ctx context.Context) (result, error) {
	if _, err := b.apply(ctx, b.document("app:1", 30)); err != nil {
		return result{}, err
	}
	if err := pause(ctx, b.settle); err != nil {
		return result{}, err
	}
	r := result{
		heading: []string{"", "PSS", "RSS", "CPU at rest", "Binary"},
		notes: fmt.Sprintf("30 instances on three hosts, behind one balancer, checked and probed every second, after %s of rest. PSS and RSS as in /proc/PID/smaps_rollup: in PSS the three agents share the pages of their program, in RSS each has them for itself; CPU is user and system time over %s, of one core. Binaries are static and stripped.",
			b.settle, b.idle),
	}
	type process struct{ name, program string }
	programs := []process{{"hub", "muster-hub"}}
	pids := map[string]int{"hub": b.c.Hub.Pid()}
	for _, host := range b.hosts {
		name := "agent on " + host
		if host == b.hosts[0] {
			name += ", with HAProxy"
		}
		programs = append(programs, process{name, "muster-agent"})
		pids[name] = b.c.Agents[host].Pid()
	}
	before := map[string]time.Duration{}
	for name, pid := range pids {
		before[name] = cpuTime(pid)
	}
	began := time.Now()
	if err := pause(ctx, b.idle); err != nil {
		return result{}, err
	}
	var worst struct{ pss, cpu, binary float64 } // of the agents
	for _, p := range programs {
		share := (cpuTime(pids[p.name]) - before[p.name]).Seconds() / time.Since(began).Seconds()
		pss, rss, err := memory(pids[p.name])
		if err != nil {
			return result{}, err
		}
		info, err := os.Stat(filepath.Join(filepath.Dir(b.c.CLI), p.program))
		if err != nil {
			return result{}, err
		}
		r.rows = append(r.rows, []string{p.name, mib(pss), mib(rss), fmt.Sprintf("%.2f %%", 100*share), mib(info.Size())})
		if p.program == "muster-agent" {
			worst.pss, worst.cpu, worst.binary = max(worst.pss, float64(pss)/1e6), max(worst.cpu, 100*share), max(worst.binary, float64(info.Size())/1e6)
		}
	}
	agent := r.rows[len(r.rows)-1]
	r.headline = fmt.Sprintf("**At rest the hub takes %s and an agent %s; alone on its machine an agent takes %s at most.**", r.rows[0][1], agent[1], agent[2])
	r.targetNumber("memory of an agent with 10 containers (PSS)", 20, worst.pss, "MB")
	r.targetNumber("CPU at rest of an agent with 10 containers", 0.3, worst.cpu, "% of a core")
	r.targetNumber("an agent's binary, stripped", 20, worst.binary, "MB")
	return r, b.remove(ctx)
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
