package balancer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/sequence"
)

// started returns when a process began, in clock ticks since the machine
// booted, and whether it is alive. A zombie is not.
func started(pid int) (uint64, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return beginning(data)
}

// beginning reads the kernel's line about a process, whose name may have
// anything in it.
func beginning(data []byte) (uint64, bool) {
	_, rest, found := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, false
	}
	return ticks, true
}

// WorkerOf is the process with that id, and whether it is alive. A zombie is not.
// Its Started is in clock ticks since the machine booted.
func WorkerOf(pid int) (sequence.Worker, bool) {
	ticks, alive := started(pid)
	return sequence.Worker{PID: pid, Started: ticks}, alive
}

// Pause waits and returns false when ctx ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
