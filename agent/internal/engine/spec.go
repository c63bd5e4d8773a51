package engine

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// toConfig translates what the brain wants made into the engine's terms. It
// adds only the restart policy and, where nothing is stated, the logging.
func toConfig(want *brain.Create) (*container.Config, *container.HostConfig, error) {
	exposed, bindings, err := toPorts(want)
	if err != nil {
		return nil, nil, err
	}
	mounts, err := toMounts(want)
	if err != nil {
		return nil, nil, err
	}
	spec := &want.Spec
	config := &container.Config{
		Image:        want.Image,
		Cmd:          spec.Command,
		Entrypoint:   spec.Entrypoint,
		Env:          toEnv(want.Environment),
		User:         spec.User,
		Labels:       want.Labels,
		StopSignal:   spec.StopSignal,
		Healthcheck:  toHealth(spec.Healthcheck),
		ExposedPorts: exposed,
	}
	if spec.StopGrace != nil {
		// For who stops it without us: people, and the engine as it ends.
		grace := wholeSeconds(spec.StopWithin())
		config.StopTimeout = &grace
	}
	host := &container.HostConfig{
		LogConfig:     container.LogConfig{Type: "local", Config: map[string]string{"max-size": "10m", "max-file": "3"}},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		PortBindings:  bindings,
		ExtraHosts:    toHosts(want.Hosts),
		Mounts:        mounts,
		Resources:     toResources(spec),
		NetworkMode:   toNetworkMode(spec),
	}
	if spec.Runtime != nil {
		toRuntime(spec.Runtime, config, host, want.Hosts)
	}
	return config, host, nil
}

func toEnv(environment map[string]string) []string {
	env := make([]string, 0, len(environment))
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		env = append(env, name+"="+environment[name])
	}
	return env
}

func toHosts(hosts map[string][]string) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		for _, address := range hosts[name] {
			lines = append(lines, name+":"+address)
		}
	}
	return lines
}

func toHealth(h *fleet.Healthcheck) *container.HealthConfig {
	if h == nil {
		return nil
	}
	return &container.HealthConfig{
		Test: h.Test, Interval: h.Interval.D(), Timeout: h.Timeout.D(), StartPeriod: h.StartPeriod.D(), Retries: h.Retries,
		StartInterval: h.StartInterval.D(),
	}
}

// toResources leaves the CPU reservation out: no engine can hold one.
func toResources(spec *fleet.Spec) container.Resources {
	r := &spec.Resources
	resources := container.Resources{
		Memory:            r.MemoryLimit,
		MemoryReservation: r.MemoryReservation,
		NanoCPUs:          int64(math.Round(r.CPULimit * 1e9)),
	}
	if r.PidsLimit != 0 {
		resources.PidsLimit = &r.PidsLimit
	}
	for _, d := range spec.Devices {
		resources.DeviceRequests = append(resources.DeviceRequests, container.DeviceRequest{
			Driver: d.Driver, Count: d.Count, DeviceIDs: d.IDs, Capabilities: [][]string{d.Capabilities}, Options: d.Options,
		})
	}
	return resources
}

func toPorts(want *brain.Create) (nat.PortSet, nat.PortMap, error) {
	if len(want.Spec.Publish) == 0 || want.Spec.OnHost() { // there, the container's ports are the host's
		return nil, nil, nil
	}
	exposed, bindings := nat.PortSet{}, nat.PortMap{}
	for _, p := range want.Spec.Publish {
		port, err := nat.NewPort(p.Protocol, strconv.Itoa(p.Target))
		if err != nil {
			return nil, nil, fmt.Errorf("publish port %d/%s: %w", p.Target, p.Protocol, err)
		}
		binding := nat.PortBinding{HostIP: p.HostIP, HostPort: strconv.Itoa(p.HostPort)}
		if p.HostPort == 0 {
			chosen := want.Ports[p.Target]
			if chosen == 0 {
				return nil, nil, fmt.Errorf("publish port %d/%s: no port of the host was chosen for it", p.Target, p.Protocol)
			}
			binding = nat.PortBinding{HostIP: want.Bind, HostPort: strconv.Itoa(chosen)}
		}
		exposed[port] = struct{}{}
		bindings[port] = append(bindings[port], binding)
	}
	return exposed, bindings, nil
}

func toMounts(want *brain.Create) ([]mount.Mount, error) {
	mounts := make([]mount.Mount, 0, len(want.Spec.Mounts))
	for _, m := range want.Spec.Mounts {
		to := mount.Mount{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		switch m.Type {
		case fleet.MountBind:
			to.Type = mount.TypeBind
			if m.Propagation != "" {
				to.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(m.Propagation)}
			}
		case fleet.MountVolume:
			to.Type = mount.TypeVolume
			to.VolumeOptions = &mount.VolumeOptions{Labels: volumeLabels(want.Labels), NoCopy: m.NoCopy, Subpath: m.Subpath}
			if m.Driver != "" || len(m.DriverOptions) > 0 {
				to.VolumeOptions.DriverConfig = &mount.Driver{Name: m.Driver, Options: m.DriverOptions}
			}
		case fleet.MountTmpfs:
			to.Type = mount.TypeTmpfs
			to.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: m.Size, Mode: os.FileMode(m.Mode)}
		default:
			return nil, fmt.Errorf("mount %s: unknown kind %q", m.Target, m.Type)
		}
		mounts = append(mounts, to)
	}
	for _, f := range want.Files {
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: f.Source, Target: f.Target, ReadOnly: true})
	}
	return mounts, nil
}

// volumeLabels says whose a volume is. It outlives every instance.
func volumeLabels(labels map[string]string) map[string]string {
	picked := map[string]string{}
	for _, name := range []string{brain.LabelLineage, brain.LabelProject} {
		if value, ok := labels[name]; ok {
			picked[name] = value
		}
	}
	return picked
}

// wholeSeconds rounds up, as the engine counts grace in seconds.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
