package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// What the service does when it is told to stop.
const (
	termGraceful = "graceful" // stop accepting, finish what runs, exit 0
	termExit     = "exit"     // exit 0 at once; whatever runs is cut
	termIgnore   = "ignore"   // keep serving until SIGKILL
)

// config is the service's whole behaviour, read once from the environment.
type config struct {
	Port       string        // PORT, default 8080
	GRPCPort   string        // GRPC_PORT: it answers calls of test.Echo/Say there, too
	Version    string        // VERSION, default the one that was linked in
	Instance   string        // MUSTER_INSTANCE, default the host name
	OnTerm     string        // ON_TERM: graceful (default), exit, ignore
	Health     string        // HEALTH, default /healthz: the path that tells its health
	Unhealthy  bool          // UNHEALTHY=1: it is unhealthy (503) from the start
	ReadyAfter time.Duration // READY_AFTER: it is unhealthy for so long
	Crash      bool          // set by CRASH_AFTER or EXIT_CODE
	CrashAfter time.Duration // CRASH_AFTER: exit by itself after so long
	ExitCode   int           // EXIT_CODE: the code of that exit, default 1
	FailEvery  int           // FAIL_EVERY: each so many-th answer to / and /slow is 500
	Show       string        // SHOW: a file that /shown answers with, as it is then
	Say        time.Duration // SAY: it writes a numbered line so often
	Slow       time.Duration // SLOW: each answer to / takes so much longer
}

// readConfig takes its values from getenv. Times are Go durations ("1.5s")
// or whole milliseconds ("1500").
func readConfig(getenv func(string) string) (config, error) {
	c := config{
		Port:      orElse(getenv("PORT"), "8080"),
		GRPCPort:  getenv("GRPC_PORT"),
		Version:   orElse(getenv("VERSION"), version),
		Instance:  getenv("MUSTER_INSTANCE"),
		OnTerm:    orElse(getenv("ON_TERM"), termGraceful),
		Show:      getenv("SHOW"),
		Health:    orElse(getenv("HEALTH"), "/healthz"),
		Unhealthy: getenv("UNHEALTHY") == "1",
		ExitCode:  1,
	}
	if c.Instance == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("read host name: %w", err)
		}
		c.Instance = host
	}
	switch c.OnTerm {
	case termGraceful, termExit, termIgnore:
	default:
		return c, fmt.Errorf("read ON_TERM: %q is none of graceful, exit, ignore", c.OnTerm)
	}
	var err error
	if c.ReadyAfter, err = parseTime(getenv("READY_AFTER")); err != nil {
		return c, fmt.Errorf("read READY_AFTER: %w", err)
	}
	if after := getenv("CRASH_AFTER"); after != "" {
		c.Crash = true
		if c.CrashAfter, err = parseTime(after); err != nil {
			return c, fmt.Errorf("read CRASH_AFTER: %w", err)
		}
	}
	if c.Say, err = parseTime(getenv("SAY")); err != nil {
		return c, fmt.Errorf("read SAY: %w", err)
	}
	if c.Slow, err = parseTime(getenv("SLOW")); err != nil {
		return c, fmt.Errorf("read SLOW: %w", err)
	}
	if every := getenv("FAIL_EVERY"); every != "" {
		if c.FailEvery, err = strconv.Atoi(every); err != nil {
			return c, fmt.Errorf("read FAIL_EVERY: %w", err)
		}
	}
	if code := getenv("EXIT_CODE"); code != "" {
		c.Crash = true
		if c.ExitCode, err = strconv.Atoi(code); err != nil {
			return c, fmt.Errorf("read EXIT_CODE: %w", err)
		}
	}
	return c, nil
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func parseTime(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if ms, err := strconv.Atoi(s); err == nil {
		return time.Duration(ms) * time.Millisecond, nil
	}
	return time.ParseDuration(s)
}
