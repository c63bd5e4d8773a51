// Package readings reads the machine: what it is, what others use of it, and
// whether instances answer their probes. It is the only importer of gopsutil.
package readings

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"

	"github.com/musterhq/muster/shared/fleet"
)

// maxAddresses bounds the addresses that a host tells of itself.
const maxAddresses = 16

// machineIDFiles are where machines keep their identity, the best first.
var machineIDFiles = []string{"/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid"}

// containerInterface matches the interfaces that container engines make.
var containerInterface = regexp.MustCompile(`^(docker\d+|docker_gwbridge|br-[0-9a-f]{12}|veth.*|virbr\d+|cni.*|podman\d+)$`)

// FactsOptions replace what would be read, for hosts that share a machine.
type FactsOptions struct {
	Hostname  string
	MachineID string
	BootID    string
}

// Facts reads what the machine is. It fills Hostname, OS, Distribution,
// Kernel, Architecture, CPUs, Memory, Addresses, MachineID and BootID.
func Facts(ctx context.Context, options FactsOptions) (fleet.HostFacts, error) {
	facts := fleet.HostFacts{
		Hostname: options.Hostname, MachineID: options.MachineID, BootID: options.BootID,
		OS: runtime.GOOS, Architecture: runtime.GOARCH,
	}
	for _, step := range []struct {
		doing string
		read  func(context.Context, *fleet.HostFacts) error
	}{
		{"read host name", readHostname},
		{"read distribution", readSystem},
		{"count processors", readProcessors},
		{"read memory", readMemory},
		{"list addresses", readAddresses},
		{"read machine id", readMachineID},
		{"read boot id", readBootID},
	} {
		if err := step.read(ctx, &facts); err != nil {
			return fleet.HostFacts{}, fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	return facts, nil
}

func readHostname(_ context.Context, facts *fleet.HostFacts) (err error) {
	if facts.Hostname == "" {
		facts.Hostname, err = os.Hostname()
	}
	return err
}

// distribution is found out once: on some machines it takes a shell script.
var distribution atomic.Pointer[string]

func readSystem(ctx context.Context, facts *fleet.HostFacts) (err error) {
	known := distribution.Load()
	if known == nil {
		platform, _, version, err := host.PlatformInformationWithContext(ctx)
		if err != nil {
			return err
		}
		name := strings.TrimSpace(platform + " " + version)
		known = &name
		distribution.Store(known)
	}
	facts.Distribution = *known
	facts.Kernel, err = host.KernelVersionWithContext(ctx)
	return err
}

func readProcessors(ctx context.Context, facts *fleet.HostFacts) (err error) {
	facts.CPUs, err = cpu.CountsWithContext(ctx, true)
	return err
}

func readMemory(ctx context.Context, facts *fleet.HostFacts) error {
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	facts.Memory = int64(memory.Total)
	return nil
}

// readAddresses leaves out what others can't reach: loopback, link-local and
// the networks of containers.
func readAddresses(_ context.Context, facts *fleet.HostFacts) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || containerInterface.MatchString(i.Name) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // the interface went away
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				facts.Addresses = append(facts.Addresses, n.IP.String())
			}
		}
	}
	slices.Sort(facts.Addresses)
	facts.Addresses = slices.Compact(facts.Addresses)
	facts.Addresses = facts.Addresses[:min(len(facts.Addresses), maxAddresses)]
	return nil
}

func readMachineID(_ context.Context, facts *fleet.HostFacts) error {
	if facts.MachineID != "" {
		return nil
	}
	for _, file := range machineIDFiles {
		data, err := os.ReadFile(file)
		id := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(data)), "-", ""))
		// Images of machines that never booted say "uninitialized".
		if err == nil && id != "" && id != "uninitialized" {
			facts.MachineID = id
			return nil
		}
	}
	return errors.New("the machine has none: run systemd-machine-id-setup")
}

func readBootID(_ context.Context, facts *fleet.HostFacts) error {
	if facts.BootID != "" {
		return nil
	}
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	facts.BootID = strings.TrimSpace(string(data))
	return err
}
