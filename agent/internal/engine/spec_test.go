package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

func TestToConfig(t *testing.T) {
	want := &brain.Create{
		Name:        "muster-shop-web-1-1a",
		Image:       "sha256:1234",
		Labels:      map[string]string{brain.LabelLineage: "l1", brain.LabelProject: "shop", brain.LabelInstance: "1a"},
		Environment: map[string]string{"B": "2", "A": "1=1", "C": ""},
		Bind:        "10.0.0.1",
		Ports:       map[int]int{8080: 20001},
		Files:       []brain.File{{Source: "/run/s/1a/db", Target: "/run/secrets/db"}},
		Hosts:       map[string][]string{"db": {"10.0.0.3", "10.0.0.2"}, "cache": {"fd00::1"}},
		Spec: fleet.Spec{
			Image:       "web:1",
			Command:     []string{"serve", "--all"},
			Entrypoint:  []string{"/app"},
			Environment: map[string]string{"A": "not this"},
			User:        "1000:1000",
			Labels:      map[string]string{"not": "this"},
			Publish: []fleet.Publish{
				{Target: 8080, Protocol: "tcp"},
				{Target: 53, Protocol: "udp", HostPort: 5353, HostIP: "10.0.0.9"},
				{Target: 53, Protocol: "tcp", HostPort: 5353},
			},
			Mounts: []fleet.Mount{
				{Type: fleet.MountBind, Source: "/srv", Target: "/srv", ReadOnly: true},
				{Type: fleet.MountVolume, Source: "shop_data", Target: "/data"},
				{Type: fleet.MountVolume, Target: "/scratch"},
				{Type: fleet.MountTmpfs, Target: "/tmp", Size: 1 << 20},
			},
			Restart:    fleet.Restart{Policy: fleet.RestartAlways},
			StopGrace:  new(fleet.Duration(1500 * time.Millisecond)),
			StopSignal: "SIGQUIT",
			Healthcheck: &fleet.Healthcheck{
				Test: []string{"CMD", "/check"}, Interval: fleet.Duration(time.Second), Timeout: fleet.Duration(2 * time.Second),
				StartPeriod: fleet.Duration(3 * time.Second), Retries: 4,
			},
			Resources: fleet.Resources{CPULimit: 0.3, MemoryLimit: 64 << 20, CPUReservation: 0.1, MemoryReservation: 32 << 20, PidsLimit: 50},
		},
	}
	config, host, err := toConfig(want)
	if err != nil {
		t.Fatal(err)
	}
	grace, pids := 2, int64(50)
	owner := &mount.VolumeOptions{Labels: map[string]string{brain.LabelLineage: "l1", brain.LabelProject: "shop"}}
	if diff := cmp.Diff(&container.Config{
		Image:        "sha256:1234",
		Cmd:          []string{"serve", "--all"},
		Entrypoint:   []string{"/app"},
		Env:          []string{"A=1=1", "B=2", "C="},
		User:         "1000:1000",
		Labels:       want.Labels,
		StopSignal:   "SIGQUIT",
		StopTimeout:  &grace,
		Healthcheck:  &container.HealthConfig{Test: []string{"CMD", "/check"}, Interval: time.Second, Timeout: 2 * time.Second, StartPeriod: 3 * time.Second, Retries: 4},
		ExposedPorts: nat.PortSet{"8080/tcp": {}, "53/udp": {}, "53/tcp": {}},
	}, config); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&container.HostConfig{
		LogConfig:     container.LogConfig{Type: "local", Config: map[string]string{"max-size": "10m", "max-file": "3"}},
		RestartPolicy: container.RestartPolicy{Name: "no"},
		PortBindings: nat.PortMap{
			"8080/tcp": {{HostIP: "10.0.0.1", HostPort: "20001"}},
			"53/udp":   {{HostIP: "10.0.0.9", HostPort: "5353"}},
			"53/tcp":   {{HostPort: "5353"}},
		},
		ExtraHosts: []string{"cache:fd00::1", "db:10.0.0.3", "db:10.0.0.2"},
		Mounts: []mount.Mount{
			{Type: mount.TypeBind, Source: "/srv", Target: "/srv", ReadOnly: true},
			{Type: mount.TypeVolume, Source: "shop_data", Target: "/data", VolumeOptions: owner},
			{Type: mount.TypeVolume, Target: "/scratch", VolumeOptions: owner},
			{Type: mount.TypeTmpfs, Target: "/tmp", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20}},
			{Type: mount.TypeBind, Source: "/run/s/1a/db", Target: "/run/secrets/db", ReadOnly: true},
		},
		Resources: container.Resources{Memory: 64 << 20, MemoryReservation: 32 << 20, NanoCPUs: 300_000_000, PidsLimit: &pids},
	}, host); diff != "" {
		t.Error(diff)
	}
}

func TestToConfigOfNothing(t *testing.T) {
	config, host, err := toConfig(&brain.Create{Image: "web:1"})
	if err != nil {
		t.Fatal(err)
	}
	if config.Cmd != nil || config.Entrypoint != nil || config.Healthcheck != nil || config.StopTimeout != nil || config.ExposedPorts != nil {
		t.Errorf("something was added: %+v", config)
	}
	if host.Memory != 0 || host.NanoCPUs != 0 || host.PidsLimit != nil || host.PortBindings != nil || host.Init != nil || host.NetworkMode != "" {
		t.Errorf("something was added: %+v", host)
	}
}

func TestToConfigWithoutGrace(t *testing.T) {
	config, _, err := toConfig(&brain.Create{Image: "web:1", Spec: fleet.Spec{StopGrace: new(fleet.Duration)}})
	if err != nil || config.StopTimeout == nil || *config.StopTimeout != 0 {
		t.Errorf("%+v, %v", config.StopTimeout, err)
	}
}

func TestToConfigRefuses(t *testing.T) {
	for name, spec := range map[string]fleet.Spec{
		"no port was chosen": {Publish: []fleet.Publish{{Target: 8080, Protocol: "tcp"}}},
		"unknown mount":      {Mounts: []fleet.Mount{{Type: "cluster", Target: "/x"}}},
	} {
		if _, _, err := toConfig(&brain.Create{Spec: spec}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 0, time.Millisecond: 1, time.Second: 1, 1001 * time.Millisecond: 2} {
		if got := wholeSeconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

func TestToUpdate(t *testing.T) {
	full := brain.Snapshot{MemoryLimit: 64, MemoryReserve: 32, NanoCPUs: 5, PidsLimit: 7, RestartPolicy: "no"}
	with := func(change func(*brain.Snapshot)) brain.Snapshot {
		s := full
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		want, have brain.Snapshot
		changed    bool
		fails      bool
	}{
		"same":                 {full, full, false, false},
		"empty policy":         {full, with(func(s *brain.Snapshot) { s.RestartPolicy = "" }), false, false},
		"memory":               {full, with(func(s *brain.Snapshot) { s.MemoryLimit = 128 }), true, false},
		"policy":               {full, with(func(s *brain.Snapshot) { s.RestartPolicy = "always" }), true, false},
		"pids, no limit again": {with(func(s *brain.Snapshot) { s.PidsLimit = 0 }), full, true, false},
		"memory, new limit":    {with(func(s *brain.Snapshot) { s.MemoryLimit = 0 }), full, false, true},
		"both kinds":           {with(func(s *brain.Snapshot) { s.NanoCPUs, s.PidsLimit = 0, 9 }), full, true, true},
	} {
		update, changed, err := toUpdate(&c.want, &c.have)
		if changed != c.changed || (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v, %v", name, update, changed, err)
		}
	}
	update, _, err := toUpdate(&full, &brain.Snapshot{MemoryLimit: 1, MemoryReserve: 1, NanoCPUs: 1, RestartPolicy: "always"})
	pids := int64(7)
	if diff := cmp.Diff(container.UpdateConfig{
		Resources:     container.Resources{Memory: 64, MemorySwap: 128, MemoryReservation: 32, NanoCPUs: 5, PidsLimit: &pids},
		RestartPolicy: container.RestartPolicy{Name: "no"},
	}, update); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestDigestOf(t *testing.T) {
	const a, b = "nginx@sha256:" + sum, "example.com:5000/team/nginx@sha256:" + sum
	for ref, want := range map[string]string{
		"nginx": a, "nginx:1.27": a, "docker.io/library/nginx": a, a: a,
		"example.com:5000/team/nginx:2": b, "other": "", "sha256:" + sum: b, "UPPER": "",
	} {
		if got := digestOf(ref, []string{a, "<none>@<none>", b}); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestCPUs(t *testing.T) {
	for _, c := range []struct {
		of   container.Resources
		want float64
	}{
		{container.Resources{NanoCPUs: 1_500_000_000}, 1.5},
		{container.Resources{CPUQuota: 50_000}, 0.5},
		{container.Resources{CPUQuota: 50_000, CPUPeriod: 25_000}, 2},
		{container.Resources{CPUQuota: -1}, 0},
	} {
		if got := cpus(&c.of); got != c.want {
			t.Errorf("%+v: %v, want %v", c.of, got, c.want)
		}
	}
}

func TestListedPorts(t *testing.T) {
	got := listedPorts([]int{90, 80}, []container.Port{{PublicPort: 80}, {PrivatePort: 7}, {PublicPort: 85}})
	if !slices.Equal(got, []int{80, 85, 90}) {
		t.Error(got)
	}
}

func TestToConfigOfNetworks(t *testing.T) {
	want := &brain.Create{Image: "web:1", Ports: map[int]int{80: 80}, Spec: fleet.Spec{
		NetworkMode: fleet.NetworkHost, Publish: []fleet.Publish{{Target: 80, Protocol: "tcp", HostPort: 80}},
	}}
	config, host, err := toConfig(want)
	if err != nil || host.NetworkMode != "host" || host.PortBindings != nil || config.ExposedPorts != nil {
		t.Errorf("on the host's: %+v, %v", host, err)
	}
	want.Spec.NetworkMode, want.Spec.Networks = "", []fleet.Network{{Name: "shop_back", Aliases: []string{"web"}}, {Name: "shop_front"}}
	_, host, err = toConfig(want)
	if err != nil || host.NetworkMode != "shop_back" || len(host.PortBindings) != 1 {
		t.Errorf("on bridges: %+v, %v", host, err)
	}
	if diff := cmp.Diff(map[string][]string{"shop_back": {"web"}}, map[string][]string{"shop_back": toEndpoint(want.Spec.Networks).EndpointsConfig["shop_back"].Aliases}); diff != "" || toEndpoint(nil) != nil {
		t.Error(diff)
	}
}

func TestToLogging(t *testing.T) {
	for _, test := range []struct {
		stated fleet.Logging
		want   container.LogConfig
	}{
		{fleet.Logging{Options: map[string]string{"max-size": "1m"}}, container.LogConfig{Type: "local", Config: map[string]string{"max-size": "1m", "max-file": "3"}}},
		{fleet.Logging{Driver: "local"}, container.LogConfig{Type: "local", Config: map[string]string{"max-size": "10m", "max-file": "3"}}},
		{fleet.Logging{Driver: "none"}, container.LogConfig{Type: "none"}},
	} {
		_, host, err := toConfig(&brain.Create{Spec: fleet.Spec{Runtime: &fleet.Runtime{Logging: &test.stated}}})
		if diff := cmp.Diff(test.want, host.LogConfig); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}
