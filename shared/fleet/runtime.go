package fleet

// Runtime is how a container's processes run: what an engine can be told of it
// beyond what Spec says itself. Names and spellings are Compose's. What is zero is
// as the engine has it by default.
type Runtime struct {
	WorkingDir  string            `json:"workingDir,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	Domainname  string            `json:"domainname,omitempty"`
	Init        *bool             `json:"init,omitempty"` // nil: as the engine is set
	TTY         bool              `json:"tty,omitempty"`
	StdinOpen   bool              `json:"stdinOpen,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	OCI         string            `json:"oci,omitempty"` // the runtime's name, as the engine knows it

	ReadOnly    bool     `json:"readOnly,omitempty"` // its root file system
	Privileged  bool     `json:"privileged,omitempty"`
	CapAdd      []string `json:"capAdd,omitempty"`  // sorted
	CapDrop     []string `json:"capDrop,omitempty"` // sorted
	SecurityOpt []string `json:"securityOpt,omitempty"`
	GroupAdd    []string `json:"groupAdd,omitempty"`
	Userns      string   `json:"userns,omitempty"` // "host", or empty
	IPC         string   `json:"ipc,omitempty"`    // "host", "private", "shareable", "none"
	PID         string   `json:"pid,omitempty"`    // "host", or empty
	UTS         string   `json:"uts,omitempty"`    // "host", or empty
	Cgroup      string   `json:"cgroup,omitempty"` // "host", "private"

	Devices           []Device `json:"devices,omitempty"` // sorted by Target
	DeviceCgroupRules []string `json:"deviceCgroupRules,omitempty"`

	Ulimits map[string]Ulimit `json:"ulimits,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"`
	Tmpfs   map[string]string `json:"tmpfs,omitempty"`   // options by path, like "size=64m"
	ShmSize int64             `json:"shmSize,omitempty"` // bytes
	Storage map[string]string `json:"storage,omitempty"` // options of the engine's storage driver

	ExtraHosts map[string][]string `json:"extraHosts,omitempty"` // addresses by name; "host-gateway" is the host
	DNS        []string            `json:"dns,omitempty"`
	DNSSearch  []string            `json:"dnsSearch,omitempty"`
	DNSOptions []string            `json:"dnsOptions,omitempty"`

	CPUShares    int64  `json:"cpuShares,omitempty"`
	CPUPeriod    int64  `json:"cpuPeriod,omitempty"`  // microseconds
	CPUQuota     int64  `json:"cpuQuota,omitempty"`   // microseconds
	CPUSet       string `json:"cpuSet,omitempty"`     // like "0-2,4"
	MemorySwap   int64  `json:"memorySwap,omitempty"` // bytes, of memory and swap; -1: no limit
	OOMScoreAdj  int    `json:"oomScoreAdj,omitempty"`
	CgroupParent string `json:"cgroupParent,omitempty"`

	Logging *Logging `json:"logging,omitempty"` // nil: the driver local, 3 files of 10 MB
}

// Device is a device of the host that a container may use. Permissions are some of
// "rwm".
type Device struct {
	Source      string `json:"source"`
	Target      string `json:"target"`
	Permissions string `json:"permissions,omitempty"`
}

// Ulimit bounds what one process may use; -1: no limit.
type Ulimit struct {
	Soft int64 `json:"soft"`
	Hard int64 `json:"hard"`
}

// Logging is where a container's output goes.
type Logging struct {
	Driver  string            `json:"driver,omitempty"` // empty: local
	Options map[string]string `json:"options,omitempty"`
}

// Modes of a network besides bridges.
const (
	NetworkHost = "host" // the host's own: container ports are ports of the host
	NetworkNone = "none"
)

// Network is a bridge that containers of a host share. Each host has its own of
// that name: it leads to no other host. Agents make it, and remove it once no
// container needs it, unless it is External.
type Network struct {
	Name     string            `json:"name"` // as the engine knows it
	Aliases  []string          `json:"aliases,omitempty"`
	External bool              `json:"external,omitempty"` // it is there already, and stays
	Internal bool              `json:"internal,omitempty"` // it leads nowhere but to the others on it
	IPv6     bool              `json:"ipv6,omitempty"`
	Options  map[string]string `json:"options,omitempty"` // of the bridge's driver
}

// Policies of pulling; empty: what a host doesn't have is pulled.
const (
	PullAlways = "always" // the registry is asked what the image is when a version is new
	PullNever  = "never"
)

// OnHost reports whether containers use their host's own network.
func (s *Spec) OnHost() bool { return s.NetworkMode == NetworkHost }
