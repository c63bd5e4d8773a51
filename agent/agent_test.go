package agent_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/agent"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/logbuf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alone are the options of an agent without hub and engine.
func alone(t *testing.T) agent.Options {
	o := agent.DefaultOptions()
	o.Host, o.MachineID = "h1", "m1"
	o.Hub = "tcp://" + closedPort(t)
	o.Engine = "unix://" + filepath.Join(t.TempDir(), "none.sock")
	o.StateDir = filepath.Join(t.TempDir(), "state")
	o.SecretsDir = inMemory(t)
	o.Timing.Farewell = 100 * time.Millisecond
	return o
}

// inMemory is a folder that nothing has to be mounted for.
func inMemory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "muster-agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func closedPort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// shortDir is a directory whose name leaves room for sockets.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestRunsAloneAndEnds(t *testing.T) {
	o := alone(t)
	var log logbuf.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, o) }()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "hub not connected"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it doesn't try to reach the hub")
		}
	}
	if err := agent.Run(ctx, o); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Errorf("a second agent in the same directory: %v", err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it doesn't end")
	}
	if !strings.Contains(log.String(), "containers and balancers go on") {
		t.Error("it ends without a word")
	}
}

func TestAHubWhoseNameCannotBeResolvedStopsNobody(t *testing.T) {
	o := alone(t)
	o.Hub, o.InsecurePlaintextHub = "tcp://hub.invalid:1883", true
	var log logbuf.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, o) }()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "hub not connected"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it doesn't go on")
		}
	}
	if !strings.Contains(log.String(), "say it with --advertise") {
		t.Error("it doesn't say what it lacks")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What a balancer lacks is the balancer's trouble.
func TestABalancerThatCannotRunEndsNoAgent(t *testing.T) {
	o := alone(t)
	var log logbuf.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h := agent.DefaultHAProxy()
	h.Binary = "/nonexistent"
	h.Dir = shortDir(t)
	o.HAProxy = &h
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, o) }()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "balancer action failed"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is said of the balancer")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("the agent ended: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	tests := []struct {
		name   string
		change func(o *agent.Options)
		want   string
	}{
		{"host", func(o *agent.Options) { o.Host = "Web 1" }, "not a host id"},
		{"hub", func(o *agent.Options) { o.Hub = "127.0.0.1:1883" }, "mqtts://<host>:8883"},
		{"hub elsewhere", func(o *agent.Options) { o.Hub = "tcp://192.0.2.1:1883" }, "--insecure-plaintext-hub"},
		{"hub by name", func(o *agent.Options) { o.Hub = "tcp://hub.example.com:1883" }, "--insecure-plaintext-hub"},
		{"http", func(o *agent.Options) { o.HubHTTP = "hub:8080" }, "https://<host>:8443"},
		{"state", func(o *agent.Options) { o.StateDir = "state" }, "not an absolute path"},
		{"ports", func(o *agent.Options) { o.PortFirst = 80 }, "80-29999"},
		{"ports reversed", func(o *agent.Options) { o.PortLast = o.PortFirst - 1 }, "not a range"},
		{"label", func(o *agent.Options) { o.Labels = map[string]string{"hostname": "x"} }, "name of a label"},
		{"watchdog", func(o *agent.Options) { o.Timing.Watchdog = time.Second }, "too short"},
		{"percentages", func(o *agent.Options) { o.Limits.PruneAbove, o.Limits.PruneTo = 80, 85 }, "prune-above: 80 and prune-to 85"},
		{"no percentage", func(o *agent.Options) { o.Limits.PruneAbove = 101 }, "prune-above: 101"},
		{"to nothing", func(o *agent.Options) { o.Limits.PruneTo = 0 }, "percentages"},
		{"debug address", func(o *agent.Options) { o.Debug.Addr = "0.0.0.0:6060" }, "isn't loopback"},
		{"failpoint", func(o *agent.Options) { o.FailPoint = "after-lunch:kill" }, "after-save:kill"},
		{"advertised address", func(o *agent.Options) { o.Advertise = "web1.example.com" }, "not an IP address"},
		{"balancer's own address", func(o *agent.Options) {
			h := agent.DefaultHAProxy()
			h.Address = "lb.example.com"
			o.HAProxy = &h
		}, "not an IP address"},
		{"balancer's address", func(o *agent.Options) {
			h := agent.DefaultHAProxy()
			h.Bind = []string{"localhost"}
			o.HAProxy = &h
		}, "not an IP address"},
		{"advertised name", func(o *agent.Options) { o.Advertise = "web1.example.com" }, "advertise: \"web1.example.com\" is not an IP address (give the address itself"},
		{"advertised port", func(o *agent.Options) { o.Advertise = "192.0.2.1:80" }, "not an IP address"},
		{"advertised zone", func(o *agent.Options) { o.Advertise = "fe80::1%eth0" }, "without a zone"},
		{"advertised nothing", func(o *agent.Options) { o.Advertise = "0.0.0.0" }, "that other hosts can reach"},
		{"balancer's name", func(o *agent.Options) {
			h := agent.DefaultHAProxy()
			h.Address = "lb.example.com"
			o.HAProxy = &h
		}, "haproxy-address: \"lb.example.com\" is not an IP address (give the address itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := alone(t)
			tt.change(&o)
			err := agent.Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	good := alone(t)
	good.Hub, good.InsecurePlaintextHub = "tcp://hub.example.com:1883", true
	good.Advertise = "2001:db8::1"
	good.Limits.PruneAbove, good.Limits.PruneTo = 0, 0
	haproxy := agent.DefaultHAProxy()
	haproxy.Address = "192.0.2.1"
	good.HAProxy = &haproxy
	for _, hub := range []string{good.Hub, "tcp://localhost:1883", "tcp://[::1]:1883"} {
		good.Hub = hub
		if err := good.Validate(); err != nil {
			t.Errorf("%s: %v", hub, err)
		}
	}
}

func TestHostID(t *testing.T) {
	for name, want := range map[string]string{
		"web1": "web1", "WEB1.example.com": "web1", "my_host": "my-host", "-x-": "x", "": "", "ümlaut": "mlaut",
		strings.Repeat("a", 62) + "__b": strings.Repeat("a", 62),
	} {
		got := agent.HostID(name)
		if got != want {
			t.Errorf("%q makes %q, want %q", name, got, want)
		}
		if want != "" && fleet.ValidateHost(got) != nil {
			t.Errorf("%q makes %q, which is no host id", name, got)
		}
	}
}

// Whatever a version or the hub can ask for, an agent of the same release carries out.
func TestTodaysAgentKnowsEveryFeature(t *testing.T) {
	spec := fleet.Spec{
		Publish:    []fleet.Publish{{Target: 80, HostPort: 80}},
		Mounts:     []fleet.Mount{{Type: fleet.MountBind}, {Type: fleet.MountVolume}, {Type: fleet.MountTmpfs}},
		Restart:    fleet.Restart{Policy: fleet.RestartNo},
		StopSignal: "SIGINT", StopGrace: new(fleet.Duration), Healthcheck: &fleet.Healthcheck{}, Resources: fleet.Resources{PidsLimit: 1},
		Probe:   &fleet.Probe{Type: fleet.ProbeHTTP},
		Secrets: []fleet.SecretMount{{Name: "db"}},
		Configs: []fleet.Config{{Name: "app"}}, Networks: []fleet.Network{{Name: "back"}}, Runtime: &fleet.Runtime{}, PullPolicy: fleet.PullNever,
		Devices: []fleet.DeviceRequest{{Capabilities: []string{fleet.DeviceGPU}}},
	}
	spec.Healthcheck.StartInterval, spec.Mounts[0].Propagation = 1, "rslave"
	wanted := append(spec.Features(), (&fleet.Spec{Probe: &fleet.Probe{Type: fleet.ProbeTCP}}).Features()...)
	wanted = append(wanted, fleet.FeatureLeave, fleet.FeaturePrepare, fleet.FeatureAnswers, fleet.FeatureFollow) // the hub asks for them, no version does
	slices.Sort(wanted)
	if !slices.Equal(agent.Features, wanted) {
		t.Errorf("it knows %v, asked for can be %v", agent.Features, wanted)
	}
}
