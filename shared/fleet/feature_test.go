package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestFeatures(t *testing.T) {
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, ""},
		{Spec{
			Image: "web:1", Command: []string{"serve"}, Entrypoint: []string{"/bin/web"}, Environment: map[string]string{"A": "b"}, User: "1000",
			Labels: map[string]string{"team": "shop"}, Publish: []Publish{{Target: 80, Protocol: "udp"}}, StopGrace: new(Duration(5)),
			Restart: Restart{Policy: RestartAlways}, Resources: Resources{CPUReservation: 1},
		}, ""},
		{Spec{Publish: []Publish{{Target: 80}, {Target: 81, HostPort: 81, HostIP: "10.0.0.1"}}}, "host-port"},
		{Spec{Mounts: []Mount{{Type: MountVolume}, {Type: MountTmpfs, Size: 1}, {Type: MountBind}, {Type: MountVolume}}}, "mount-bind mount-tmpfs mount-volume"},
		{Spec{Mounts: []Mount{{Type: "image"}}}, "mount-image"},
		{Spec{Restart: Restart{Policy: RestartNo}}, "restart"},
		{Spec{Restart: Restart{Policy: RestartOnFailure, MaxAttempts: 3}}, "restart"},
		{Spec{Secrets: []SecretMount{{Name: "db"}}}, "secrets"},
		{Spec{StopGrace: new(Duration)}, "stop-at-once"},
		{Spec{StopSignal: "SIGINT", Healthcheck: &Healthcheck{}}, "healthcheck stop-signal"},
		{Spec{Resources: Resources{CPULimit: 1}}, "resources"},
		{Spec{Resources: Resources{MemoryLimit: 1}}, "resources"},
		{Spec{Resources: Resources{MemoryReservation: 1}}, "resources"},
		{Spec{Resources: Resources{PidsLimit: 1}}, "resources"},
		{Spec{Generic: []GenericResource{{Kind: "gpu", Count: 1}}}, ""}, // placement's
		{Spec{Devices: []DeviceRequest{{Count: 1, Capabilities: []string{DeviceGPU}}}}, "devices"},
		{Spec{Probe: &Probe{Type: ProbeHTTP}}, "probe-http"},
		{Spec{Probe: &Probe{Type: ProbeTCP}}, "probe-tcp"},
		{Spec{Configs: []Config{{Name: "app"}}}, "configs"},
		{Spec{Networks: []Network{{Name: "back"}}}, "networks"},
		{Spec{NetworkMode: NetworkHost}, "networks"},
		{Spec{PullPolicy: PullAlways}, "pull-policy"},
		{Spec{Runtime: &Runtime{ReadOnly: true}}, "runtime"},
		{Spec{Healthcheck: &Healthcheck{StartInterval: 1}}, "healthcheck start-interval"},
		{Spec{Mounts: []Mount{{Type: MountTmpfs, Mode: 0o700}, {Type: MountBind, Propagation: "rslave"}}}, "mount-bind mount-options mount-tmpfs"},
		{Spec{Mounts: []Mount{{Type: MountVolume, NoCopy: true}}}, "mount-options mount-volume"},
		{Spec{Mounts: []Mount{{Type: MountVolume, Subpath: "a"}}}, "mount-options mount-volume"},
		{Spec{Mounts: []Mount{{Type: MountVolume, Driver: "nfs"}}}, "mount-options mount-volume"},
		{Spec{Mounts: []Mount{{Type: MountVolume, DriverOptions: map[string]string{"o": "ro"}}}}, "mount-options mount-volume"},
	} {
		if got := strings.Join(test.spec.Features(), " "); got != test.want {
			t.Errorf("%+v asks for %q, want %q", test.spec, got, test.want)
		}
	}
}

// known has every field of a Spec that Features has been thought through for.
var known = strings.Fields(`
	Devices.Capabilities Devices.Count Devices.Driver Devices.IDs Devices.Options
	Generic.Count Generic.Kind
	Command Entrypoint Environment Image Labels Requires StopGrace StopSignal User
	Configs.Content Configs.GID Configs.Mode Configs.Name Configs.Size Configs.Sum Configs.Target Configs.UID
	Healthcheck.Interval Healthcheck.Retries Healthcheck.StartInterval Healthcheck.StartPeriod Healthcheck.Test Healthcheck.Timeout
	Mounts.Driver Mounts.DriverOptions Mounts.Mode Mounts.NoCopy Mounts.Propagation Mounts.Subpath Mounts.ReadOnly Mounts.Size Mounts.Source Mounts.Target Mounts.Type
	NetworkMode Networks.Aliases Networks.External Networks.IPv6 Networks.Internal Networks.Name Networks.Options PullPolicy
	Probe.Fall Probe.Interval Probe.Path Probe.Port Probe.Rise Probe.StartPeriod Probe.Timeout Probe.Type
	Publish.HostIP Publish.HostPort Publish.Protocol Publish.Target
	Resources.CPULimit Resources.CPUReservation Resources.MemoryLimit Resources.MemoryReservation Resources.PidsLimit
	Restart.MaxAttempts Restart.Policy
	Runtime.Annotations Runtime.CPUPeriod Runtime.CPUQuota Runtime.CPUSet Runtime.CPUShares Runtime.CapAdd Runtime.CapDrop Runtime.Cgroup
	Runtime.CgroupParent Runtime.DNS Runtime.DNSOptions Runtime.DNSSearch Runtime.DeviceCgroupRules Runtime.Devices.Permissions
	Runtime.Devices.Source Runtime.Devices.Target Runtime.Domainname Runtime.ExtraHosts Runtime.GroupAdd Runtime.Hostname Runtime.IPC
	Runtime.Init Runtime.Logging.Driver Runtime.Logging.Options Runtime.MemorySwap Runtime.OCI Runtime.OOMScoreAdj Runtime.PID
	Runtime.Privileged Runtime.ReadOnly Runtime.SecurityOpt Runtime.ShmSize Runtime.StdinOpen Runtime.Storage Runtime.Sysctls Runtime.TTY
	Runtime.Tmpfs Runtime.UTS Runtime.Ulimits Runtime.Userns Runtime.WorkingDir
	Secrets.GID Secrets.Mode Secrets.Name Secrets.Revision Secrets.Sum Secrets.Target Secrets.UID`)

func TestEveryFieldOfASpecHasAFeatureOrNeedsNone(t *testing.T) {
	var fields []string
	var walk func(of reflect.Type, path string)
	walk = func(of reflect.Type, path string) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			fields = append(fields, strings.TrimPrefix(path, "."))
			return
		}
		for i := range of.NumField() {
			walk(of.Field(i).Type, fmt.Sprintf("%s.%s", path, of.Field(i).Name))
		}
	}
	walk(reflect.TypeFor[Spec](), "")
	for _, field := range fields {
		if !slices.Contains(known, field) {
			t.Errorf("an agent from before Spec.%s would leave it out: give it a feature, or say here that it needs none", field)
		}
	}
	for _, field := range known {
		if !slices.Contains(fields, field) {
			t.Errorf("a Spec has no %s", field)
		}
	}
}
