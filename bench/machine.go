package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where the numbers come from.
type machine struct {
	cpu, memory, kernel, system, engine, haproxy, golang, load string
}

func readMachine(ctx context.Context) (machine, error) {
	m := machine{golang: strings.TrimPrefix(runtime.Version(), "go")}
	m.cpu = fmt.Sprintf("%s, %d cores", field("/proc/cpuinfo", "model name", ":"), runtime.NumCPU())
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, fmt.Errorf("read the machine's memory: %w", err)
	}
	m.memory = fmt.Sprintf("%.1f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
	var names unix.Utsname
	if err := unix.Uname(&names); err != nil {
		return m, fmt.Errorf("read the kernel's version: %w", err)
	}
	m.kernel = "Linux " + unix.ByteSliceToString(names.Release[:])
	m.system = strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, fmt.Errorf("read the machine's load: %w", err)
	}
	m.load = strings.Join(strings.Fields(string(load))[:3], ", ")
	if m.engine, err = version(ctx, "dockerd", "--version"); err != nil {
		return m, err
	}
	m.haproxy, err = version(ctx, "haproxy", "-v")
	return m, err
}

// field is what follows a name in a file of names and values.
func field(path, name, separator string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for row := range strings.Lines(string(data)) {
		if key, value, found := strings.Cut(row, separator); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// version is the word after "version" of what a program says.
func version(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	_, rest, _ := strings.Cut(string(out), "version ")
	word, _, _ := strings.Cut(rest, " ")
	return strings.TrimSuffix(word, ","), nil
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %s of memory; %s, %s; engine %s, HAProxy %s, Go %s; load %s at the start.",
		m.cpu, m.memory, m.system, m.kernel, m.engine, m.haproxy, m.golang, m.load)
}
