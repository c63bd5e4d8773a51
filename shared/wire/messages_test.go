package wire_test

import (
	"encoding/json"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

var (
	web   = fleet.ServiceKey{Project: "shop", Name: "web"}
	noon  = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ports = map[int]int{80: 20001, 9090: 20002}
)

// messages has one of each kind, by the name of its file, with every field set.
var messages = map[string]any{
	"presence": &fleet.Presence{
		State: fleet.PresenceOnline, BootID: "boot", AgentStart: "start", Session: "session",
		Observed: observed, Sequence: 7, Pools: map[fleet.ServiceKey]uint64{web: 41},
	},
	"actual":  &actual,
	"desired": &desired,
	"pool": &fleet.Pool{
		Service: web, Balancers: []string{"haproxy"}, Generation: 41,
		Routes: []fleet.Route{{
			Target: 80, Listen: []int{80, 443, 8080}, Protocol: fleet.ProtocolHTTP, Hosts: []string{"shop.example.com"}, Paths: []string{"/api"}, Named: []int{80},
			Certificates: map[int][]string{443: {"shop.example.com"}}, Algorithm: fleet.AlgorithmLeastConn, Sticky: true,
			Timeouts: &fleet.Timeouts{
				Connect: fleet.Duration(time.Second), Request: fleet.Duration(time.Minute), Idle: fleet.Duration(10 * time.Second), Tunnel: fleet.Duration(time.Hour),
			},
			SendProxy: true, AcceptProxy: []int{8080}, Snippets: map[string]string{"haproxy": "option http-server-close"},
		}},
		Check: fleet.Check{
			Type: "http", Path: "/healthz", Interval: fleet.Duration(time.Second), Timeout: fleet.Duration(500 * time.Millisecond), Rise: 1, Fall: 2,
		},
		DrainTimeout: fleet.Duration(30 * time.Second),
		Endpoints: []fleet.Endpoint{
			{Instance: "1c-1", Version: 3, Address: "10.0.0.1", Ports: ports, Weight: 128, State: fleet.EndpointReady},
			{Instance: "1c-2", Version: 2, Address: "10.0.0.2", Ports: ports, Weight: 128, State: fleet.EndpointDraining},
		},
		Measure: true, Removed: true,
	},
	"status": &fleet.ServiceStatus{
		State: fleet.ServiceProgressing, Reasons: []string{"instance 1c-2 on web2 isn't ready yet"}, Version: 3, Desired: 2, Ready: 1,
		Addresses: []string{"10.0.0.1:20001"},
		WaitsFor: []fleet.Wait{{
			Service: fleet.ServiceKey{Project: "shop", Name: "db"}, Condition: fleet.ConditionHealthy, What: fleet.WaitStart,
			Host: "web2", Instance: "1c-3", Why: "not healthy (connection refused)", Since: noon,
		}},
		Run: &fleet.Run{Instance: "1c-4", Host: "web1", Version: 3, Begun: 42, Ended: noon, Code: 3, Reason: "exited with code 3"},
	},
	"ack": &fleet.Ack{Session: "session", Actual: 7, Events: 9, Numbering: "numbering", Left: true},
	"ask": &fleet.Ask{
		ID: "ask-1", Do: fleet.AskLogs, TTL: fleet.Duration(10 * time.Second), Instance: "1c-1", Tail: 100, Follow: true, After: noon, Since: fleet.Duration(time.Hour), Stamps: true,
		Address: "10.0.0.2:8080", Stream: "/v1/streams/ask-1", DryRun: true, Cause: "command-1",
		Service: web, Image: "web:2",
	},
	"answer": &fleet.Answer{ID: "ask-1", OK: true, Problem: "instance 1c-1 has no container on this host", Looked: true,
		Images: []fleet.PrunedImage{{ID: "sha256:1", Names: []string{"web:2"}, Bytes: 1 << 20}}, Output: "runs since noon", At: noon},
	"result": &fleet.CommandResult{
		ID: "r1", OK: true, Do: "logs shop/web 2", By: "ann", Message: "2 lines of 1c-1", Code: fleet.CodeUnavailable, Hint: "muster host web1 says more",
		DryRun: true, Output: "listening\nready\n", Revision: 42, At: noon,
	},
	"metrics": &fleet.Metrics{Host: "web1", AgentStart: "start", Pools: []fleet.PoolMetrics{{
		Service: web, Balancer: "haproxy",
		Endpoints: []fleet.EndpointCounts{{Instance: "1c-1", Version: 3, Requests: 1000, Failed: 5, Retried: 1, AverageMS: 12}},
	}}},
	"events": &fleet.EventBatch{Numbering: "numbering", First: 9, Events: []fleet.Event{event}},
	"event":  &event,
	"hub":    &fleet.HubState{Lineage: "lineage", Epoch: 1767355200, Revision: 42, Started: "2026-01-02T12:00:00Z"},
}

var event = fleet.Event{
	SpecVersion: "1.0", ID: "start-1", Source: "hosts/web1", Type: fleet.EventInstanceExited, Time: noon,
	Subject: "instances/1c-1", Cause: "container 0a1b", Actor: "ann", Revision: 42,
	Data: fleet.EventData{
		Message: "exited with code 1 <&>", Service: &web, Instance: "1c-1", Host: "web1", Version: 3, Detail: json.RawMessage(`{"code":1}`),
	},
}

var observed = fleet.Observed{Lineage: "lineage", Epoch: 1767355200, Generation: 42, Sum: "0123456789abcdef"}

var actual = fleet.Actual{
	Host: "web1",
	Facts: fleet.HostFacts{
		Hostname: "web1.example.com", OS: "linux", Distribution: "debian 12", Kernel: "6.1.0", Architecture: "amd64",
		CPUs: 2, Memory: 4 << 30, EngineVersion: "28.5.2", Addresses: []string{"10.0.0.1", "2001:db8::1"}, Advertise: "10.0.0.1",
		MachineID: "machine", BootID: "boot", Labels: map[string]string{"tier": "web"}, AgentVersion: "1.2.3",
		Features: []string{"probe-http"}, PortRangeFirst: 20000, PortRangeLast: 29999,
		Balancers:  []fleet.BalancerFacts{{Name: "haproxy", Driver: "haproxy", Version: "2.6.12", Address: "10.0.0.1", Labels: map[string]string{"edge": "yes"}, Features: []string{"parked"}}},
		Devices:    []string{"/dev/kvm", "/dev/null"},
		SecretsKey: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", Resources: map[string]int{"gpu": 2},
	},
	AgentStart: "start", Session: "session", Observed: observed,
	Engine: fleet.EngineStatus{Up: true, Problem: "not asked yet"},
	Instances: []fleet.InstanceActual{{
		ID: "1c-1", Service: web, Version: 3, Slot: 1, Incarnation: 2, Container: "0a1b", Image: "sha256:1", Digest: "web@sha256:2",
		Phase: fleet.PhaseBackoff, Ready: true, Address: "10.0.0.1", Ports: ports, StartedAt: noon, Restarts: 1, ExitCode: 137,
		Reason: "exited with code 137", NextTry: noon.Add(time.Second), Spec: "89abcdef01234567", Unclaimed: true,
	}},
	Balancers: []fleet.BalancerActual{{
		Name: "haproxy", Driver: "haproxy", Version: "2.6.12", Promise: "no request is dropped", Up: true, Problem: "its file was edited",
		Pools: []fleet.PoolActual{{
			Service: web, Generation: 41, Removals: 43, Problem: "the port is taken",
			Endpoints: []fleet.EndpointActual{{Instance: "1c-1", State: fleet.EndpointDraining, Check: fleet.CheckPassing, Connections: 3, Drained: true}},
		}},
	}},
	Foreign: fleet.Foreign{Memory: 16 << 20, CPUs: 0.5, Ports: []int{22}},
	Refused: map[string]string{"shop/web@4": "this agent doesn't know it"},
	Prepared: map[string]fleet.Prepared{
		"shop/web@4": {Image: "sha256:3", Digest: "web@sha256:4", Problem: "the registry didn't answer"},
	},
	Problem: "the disk is full",
}

var desired = fleet.Desired{
	Host: "web1", Frozen: true, FrozenServices: []fleet.ServiceKey{web},
	Instances: []fleet.Assignment{{ID: "1c-1", Service: web, Version: 3, Slot: 1, Goal: fleet.GoalRun, Cause: "command-1", Pin: "web@sha256:2"}},
	Versions:  map[string]fleet.Spec{"shop/web@3": spec, "shop/web@4": spec},
	Prepare:   []string{"shop/web@4"}, Pins: map[string]string{"shop/web@4": "web@sha256:4"},
	Names:     map[string]map[string][]string{"shop": {"web": {"10.0.0.1", "10.0.0.2"}}},
	Pools:     []fleet.PoolRef{{Service: web, Generation: 41, Sum: "fedcba9876543210"}},
	Keep:      []string{"web@sha256:2"},
	HeldPorts: []int{20003},
	Secrets:   map[string]string{"shop/db@2": "c2VhbGVk"}, Registries: map[string]string{"registry.example.com:5000": "c2VhbGVk"},
	Leave: fleet.LeaveKeep,
}

var spec = fleet.Spec{
	Image: "web:3", Command: []string{"serve"}, Entrypoint: []string{"/bin/web"}, Environment: map[string]string{"A": "<b>"}, User: "1000:1000",
	Labels:  map[string]string{"team": "shop"},
	Publish: []fleet.Publish{{Target: 80, Protocol: "tcp", HostPort: 8080, HostIP: "10.0.0.1"}},
	Mounts: []fleet.Mount{{Type: fleet.MountTmpfs, Source: "/srv", Target: "/data", ReadOnly: true, Size: 1 << 20, Mode: 0o1777,
		Propagation: "rslave", NoCopy: true, Subpath: "a", Driver: "nfs", DriverOptions: map[string]string{"o": "ro"}}},
	Secrets: []fleet.SecretMount{{Name: "db", Revision: 2, Sum: "0123456789abcdef", Target: "/run/secrets/db", UID: 1000, GID: 1000, Mode: 0o440}},
	Restart: fleet.Restart{Policy: fleet.RestartOnFailure, MaxAttempts: 3}, StopGrace: new(fleet.Duration(10 * time.Second)), StopSignal: "SIGINT",
	Healthcheck: &fleet.Healthcheck{
		Test: []string{"CMD", "true"}, Interval: fleet.Duration(5 * time.Second), Timeout: fleet.Duration(time.Second),
		StartPeriod: fleet.Duration(90 * time.Second), Retries: 3, StartInterval: fleet.Duration(time.Second),
	},
	Configs:     []fleet.Config{{Name: "app", Target: "/app.yaml", UID: 1000, GID: 1000, Mode: 0o440, Size: 5, Sum: "8f434346648f6b96", Content: []byte("a: b\n")}},
	NetworkMode: fleet.NetworkHost,
	Networks:    []fleet.Network{{Name: "shop_back", Aliases: []string{"web"}, External: true, Internal: true, IPv6: true, Options: map[string]string{"com.docker.network.driver.mtu": "1400"}}},
	PullPolicy:  fleet.PullAlways, Runtime: &runtime,
	Generic: []fleet.GenericResource{{Kind: "licence", Count: 1}},
	Devices: []fleet.DeviceRequest{{
		Driver: "nvidia", Count: 1, IDs: []string{"GPU-1"}, Capabilities: []string{"compute", "gpu"}, Options: map[string]string{"virtualization": "false"},
	}},
	Resources: fleet.Resources{CPULimit: 1.5, MemoryLimit: 1 << 28, CPUReservation: 0.25, MemoryReservation: 1 << 26, PidsLimit: 100},
	Probe: &fleet.Probe{
		Type: fleet.ProbeHTTP, Port: 80, Path: "/readyz", Interval: fleet.Duration(2 * time.Second), Timeout: fleet.Duration(time.Second),
		Rise: 1, Fall: 3, StartPeriod: fleet.Duration(time.Minute),
	},
	Requires: []string{"probe-http"},
}

var runtime = fleet.Runtime{
	WorkingDir: "/srv", Hostname: "web", Domainname: "example.com", Init: new(true), TTY: true, StdinOpen: true, Annotations: map[string]string{"a": "b"}, OCI: "crun",
	ReadOnly: true, Privileged: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}, GroupAdd: []string{"audio"},
	Userns: "host", IPC: "host", PID: "host", UTS: "host", Cgroup: "private",
	Devices: []fleet.Device{{Source: "/dev/fuse", Target: "/dev/fuse", Permissions: "rw"}}, DeviceCgroupRules: []string{"c 188:* rmw"},
	Ulimits: map[string]fleet.Ulimit{"nofile": {Soft: 1024, Hard: 65536}}, Sysctls: map[string]string{"net.core.somaxconn": "1024"},
	Tmpfs: map[string]string{"/run": "size=64m"}, ShmSize: 1 << 26, Storage: map[string]string{"size": "1G"},
	ExtraHosts: map[string][]string{"db": {"10.0.0.9"}}, DNS: []string{"10.0.0.53"}, DNSSearch: []string{"example.com"}, DNSOptions: []string{"use-vc"},
	CPUShares: 512, CPUPeriod: 100_000, CPUQuota: 50_000, CPUSet: "0-1", MemorySwap: 1 << 29, OOMScoreAdj: 500, CgroupParent: "/muster",
	Logging: &fleet.Logging{Driver: "json-file", Options: map[string]string{"max-size": "1m"}},
}
