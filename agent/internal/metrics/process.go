package metrics

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Process adds what the program itself uses, by the names that everybody
// knows.
func (s *Set) Process(started time.Time) {
	s.Read("process_start_time_seconds", "Start of the program, in seconds since 1970.", func() float64 { return float64(started.UnixMilli()) / 1000 })
	s.Read("process_cpu_seconds_total", "Processor time used.", cpu)
	s.Read("process_resident_memory_bytes", "Memory that the program has in use.", resident)
	s.Read("process_open_fds", "Open files.", openFiles)
	s.Read("go_goroutines", "Goroutines.", func() float64 { return float64(runtime.NumGoroutine()) })
}

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1])) // the kernel writes numbers
	return float64(pages * os.Getpagesize())
}

func openFiles() float64 {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return float64(len(entries))
}
