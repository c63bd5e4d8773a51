package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec is what one version of a service is: everything its containers are
// made from. It is immutable once it has a version number. Two specs are the
// same when their JSON is.
type Spec struct {
	Image       string            `json:"image"`
	Command     []string          `json:"command,omitempty"`    // nil: the image's
	Entrypoint  []string          `json:"entrypoint,omitempty"` // nil: the image's
	Environment map[string]string `json:"environment,omitempty"`
	User        string            `json:"user,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Publish     []Publish         `json:"publish,omitempty"` // sorted by Target
	Mounts      []Mount           `json:"mounts,omitempty"`
	Secrets     []SecretMount     `json:"secrets,omitempty"` // sorted by Target
	Restart     Restart           `json:"restart"`
	StopGrace   *Duration         `json:"stopGrace,omitempty"` // see StopWithin
	StopSignal  string            `json:"stopSignal,omitempty"`
	Healthcheck *Healthcheck      `json:"healthcheck,omitempty"`
	Resources   Resources         `json:"resources"`
	Probe       *Probe            `json:"probe,omitempty"` // nil: ready when it runs (and Docker's healthcheck, if any, passes)
	Runtime     *Runtime          `json:"runtime,omitempty"`
	Configs     []Config          `json:"configs,omitempty"`     // sorted by Target
	NetworkMode string            `json:"networkMode,omitempty"` // NetworkHost or NetworkNone; empty: bridges
	// Networks are those that containers are on, the first of them first; none: the
	// engine's own bridge.
	Networks   []Network `json:"networks,omitempty"`
	PullPolicy string    `json:"pullPolicy,omitempty"` // PullAlways or PullNever; empty: what is missing
	// Generic are resources that placement counts and no engine knows, like licences:
	// hosts announce how many they have. Sorted by Kind.
	Generic []GenericResource `json:"generic,omitempty"`
	// Devices are asked of the engine, like GPUs of a driver.
	Devices []DeviceRequest `json:"devices,omitempty"`
	// Requires names the features that an agent must know to run this version:
	// the hub's word, from Features when the version was made.
	Requires []string `json:"requires,omitempty"`
}

// Sum tells the contents of specs apart, whatever their versions are numbered.
// What a spec requires follows from the rest of it, and isn't in the sum.
func (s *Spec) Sum() string {
	content := *s
	content.Requires = nil
	raw, err := json.Marshal(&content)
	if err != nil {
		panic("encode spec: " + err.Error()) // plain data: strings, numbers, maps of strings
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// Publish is one container port that is reachable on its host.
type Publish struct {
	Target   int    `json:"target"`
	Protocol string `json:"protocol"` // "tcp" or "udp"
	// HostPort is fixed when it is not 0 (Compose's "mode: host"); else the
	// agent chooses one from its range.
	HostPort int    `json:"hostPort,omitempty"`
	HostIP   string `json:"hostIP,omitempty"` // only with HostPort; default: every address
}

// Kinds of mounts.
const (
	MountBind   = "bind"
	MountVolume = "volume"
	MountTmpfs  = "tmpfs"
)

// Mount is a directory or file that the container sees.
type Mount struct {
	Type     string `json:"type"`
	Source   string `json:"source,omitempty"` // a path, or the volume's full name; empty for an anonymous volume and tmpfs
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	Size     int64  `json:"size,omitempty"` // bytes, tmpfs only; 0: unlimited
	// Mode is a tmpfs's; 0: 1777.
	Mode FileMode `json:"mode,omitempty"`
	// Propagation is a bind's, like "rslave"; empty: rprivate.
	Propagation string `json:"propagation,omitempty"`
	// NoCopy has a new volume be empty, whatever the image has there. Subpath is the
	// part of a volume that is mounted.
	NoCopy  bool   `json:"noCopy,omitempty"`
	Subpath string `json:"subpath,omitempty"`
	// Driver and DriverOptions are how the engine makes a volume that isn't there;
	// empty: local.
	Driver        string            `json:"driver,omitempty"`
	DriverOptions map[string]string `json:"driverOptions,omitempty"`
}

// Restart policies, as in Compose.
const (
	RestartNo            = "no"
	RestartAlways        = "always"
	RestartOnFailure     = "on-failure"
	RestartUnlessStopped = "unless-stopped"
)

// Restart says what the agent does when a container exits by itself.
type Restart struct {
	Policy      string `json:"policy"`                // default: always
	MaxAttempts int    `json:"maxAttempts,omitempty"` // on-failure only; 0: no limit
}

// Healthcheck is Docker's own check, run inside the container. What is zero is
// as the image has it, or else as Docker does.
type Healthcheck struct {
	Test        []string `json:"test,omitempty"` // as the engine takes it: NONE, CMD, CMD-SHELL
	Interval    Duration `json:"interval,omitempty"`
	Timeout     Duration `json:"timeout,omitempty"`
	StartPeriod Duration `json:"startPeriod,omitempty"`
	Retries     int      `json:"retries,omitempty"`
	// StartInterval is the time between checks in the start period.
	StartInterval Duration `json:"startInterval,omitempty"`
}

// Resources of one container. CPUs are in cores, memory in bytes; 0: none.
type Resources struct {
	CPULimit          float64 `json:"cpuLimit,omitempty"`
	MemoryLimit       int64   `json:"memoryLimit,omitempty"`
	CPUReservation    float64 `json:"cpuReservation,omitempty"`
	MemoryReservation int64   `json:"memoryReservation,omitempty"`
	PidsLimit         int64   `json:"pidsLimit,omitempty"`
}

// GenericResource is a number of something that hosts have.
type GenericResource struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// DeviceRequest asks the engine for devices by what they can do.
type DeviceRequest struct {
	Driver       string            `json:"driver,omitempty"`
	Count        int               `json:"count,omitempty"` // AllDevices: all there are; 0: those of IDs
	IDs          []string          `json:"ids,omitempty"`
	Capabilities []string          `json:"capabilities"` // all of them; sorted
	Options      map[string]string `json:"options,omitempty"`
}

// AllDevices is the count of a request for all devices of a host.
const AllDevices = -1

// DeviceGPU is the capability that placement counts as the resource of that name.
const DeviceGPU = "gpu"

// takes is how many of what the request is about it takes of a host at least.
func (d *DeviceRequest) takes() int {
	return max(1, d.Count, len(d.IDs))
}

// GenericResources are what placement counts: the generic resources, and the GPUs
// that are asked of the engine. Sorted by kind.
func (s *Spec) GenericResources() []GenericResource {
	out := slices.Clone(s.Generic)
	for i := range s.Devices {
		d := &s.Devices[i]
		if !slices.Contains(d.Capabilities, DeviceGPU) {
			continue
		}
		at := slices.IndexFunc(out, func(g GenericResource) bool { return g.Kind == DeviceGPU })
		if at < 0 {
			out, at = append(out, GenericResource{Kind: DeviceGPU}), len(out)
		}
		out[at].Count += d.takes()
	}
	slices.SortFunc(out, func(a, b GenericResource) int { return strings.Compare(a.Kind, b.Kind) })
	return out
}

// Kinds of probes and checks.
const (
	ProbeHTTP = "http"
	ProbeTCP  = "tcp"
)

// Probe is how the agent finds out whether an instance is ready, from outside
// the container, on the address that others use. Defaults: interval 2 s,
// timeout 2 s, rise 1, fall 3.
type Probe struct {
	Type     string   `json:"type"` // "http" or "tcp"
	Port     int      `json:"port"` // the container's port
	Path     string   `json:"path,omitempty"`
	Interval Duration `json:"interval,omitempty"`
	Timeout  Duration `json:"timeout,omitempty"`
	Rise     int      `json:"rise,omitempty"` // successes in a row to become ready
	Fall     int      `json:"fall,omitempty"` // failures in a row to become unready
	// StartPeriod is how long a new container may fail its probe before it
	// is said to be failing.
	StartPeriod Duration `json:"startPeriod,omitempty"`
}

// DefaultStopGrace is how long a container may take to stop where nothing is
// stated, as in Compose.
const DefaultStopGrace = 10 * time.Second

// StopWithin is how long the spec's containers may take to stop; zero: none,
// they are killed at once.
func (s *Spec) StopWithin() time.Duration {
	if s.StopGrace == nil {
		return DefaultStopGrace
	}
	return s.StopGrace.D()
}

// Pinned reports whether the spec has a volume or bind mount, which ties an
// instance to the host that has its data.
func (s *Spec) Pinned() bool { return len(s.Data()) > 0 }

// Data lists the named volumes and the host's paths that the spec mounts.
func (s *Spec) Data() (sources []string) {
	for _, m := range s.Mounts {
		if m.Type == MountBind || m.Type == MountVolume && m.Source != "" {
			sources = append(sources, m.Source)
		}
	}
	return sources
}

// Port is a port of a host. TCP and UDP have their own.
type Port struct {
	Number   int
	Protocol string // "tcp" or "udp"
}

// TCP is the TCP port of that number.
func TCP(number int) Port { return Port{Number: number, Protocol: ProtocolTCP} }

// String writes the port as an operator reads it: "80", or "53/udp".
func (p Port) String() string {
	if p.Protocol == ProtocolTCP {
		return strconv.Itoa(p.Number)
	}
	return strconv.Itoa(p.Number) + "/" + p.Protocol
}

// FixedPorts returns the host ports that the spec asks for by number.
func (s *Spec) FixedPorts() []Port {
	var ports []Port
	for _, p := range s.Publish {
		if p.HostPort != 0 {
			ports = append(ports, Port{Number: p.HostPort, Protocol: p.Protocol})
		}
	}
	return ports
}
