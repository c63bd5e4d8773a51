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
		{Spec{Probe: &Probe{Type: ProbeHTTP}}, "probe-http"},
		{Spec{Probe: &Probe{Type: ProbeTCP}}, "probe-tcp"},
	} {
		if got := strings.Join(test.spec.Features(), " "); got != test.want {
			t.Errorf("%+v asks for %q, want %q", test.spec, got, test.want)
		}
	}
}

// known has every field of a Spec that Features has been thought through for.
var known = strings.Fields(`
	Command Entrypoint Environment Image Labels Requires StopGrace StopSignal User
	Healthcheck.Interval Healthcheck.Retries Healthcheck.StartPeriod Healthcheck.Test Healthcheck.Timeout
	Mounts.ReadOnly Mounts.Size Mounts.Source Mounts.Target Mounts.Type
	Probe.Fall Probe.Interval Probe.Path Probe.Port Probe.Rise Probe.StartPeriod Probe.Timeout Probe.Type
	Publish.HostIP Publish.HostPort Publish.Protocol Publish.Target
	Resources.CPULimit Resources.CPUReservation Resources.MemoryLimit Resources.MemoryReservation Resources.PidsLimit
	Restart.MaxAttempts Restart.Policy
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
