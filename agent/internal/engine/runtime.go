package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/docker/go-units"

	"github.com/musterhq/muster/shared/fleet"
)

// toRuntime adds to a container what the spec says of how it runs. Names that the
// fleet knows (hosts) give way to those that the spec states.
func toRuntime(r *fleet.Runtime, config *container.Config, host *container.HostConfig, hosts map[string][]string) {
	config.WorkingDir, config.Hostname, config.Domainname = r.WorkingDir, r.Hostname, r.Domainname
	config.Tty, config.OpenStdin = r.TTY, r.StdinOpen
	host.Annotations, host.Init, host.Runtime = r.Annotations, r.Init, r.OCI

	host.ReadonlyRootfs, host.Privileged = r.ReadOnly, r.Privileged
	host.CapAdd, host.CapDrop, host.SecurityOpt, host.GroupAdd = r.CapAdd, r.CapDrop, r.SecurityOpt, r.GroupAdd
	host.UsernsMode, host.IpcMode = container.UsernsMode(r.Userns), container.IpcMode(r.IPC)
	host.PidMode, host.UTSMode, host.CgroupnsMode = container.PidMode(r.PID), container.UTSMode(r.UTS), container.CgroupnsMode(r.Cgroup)

	host.Sysctls, host.Tmpfs, host.ShmSize, host.StorageOpt = r.Sysctls, r.Tmpfs, r.ShmSize, r.Storage
	host.DNS, host.DNSSearch, host.DNSOptions = r.DNS, r.DNSSearch, r.DNSOptions
	if len(r.ExtraHosts) > 0 {
		all := maps.Clone(hosts)
		if all == nil {
			all = map[string][]string{}
		}
		maps.Copy(all, r.ExtraHosts)
		host.ExtraHosts = toHosts(all)
	}
	if r.Logging != nil {
		host.LogConfig = toLogging(r.Logging)
	}
	toLimits(r, host)
}

func toLimits(r *fleet.Runtime, host *container.HostConfig) {
	limits := &host.Resources
	for _, d := range r.Devices {
		permissions := d.Permissions
		if permissions == "" {
			permissions = "rwm"
		}
		limits.Devices = append(limits.Devices, container.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: permissions})
	}
	limits.DeviceCgroupRules = r.DeviceCgroupRules
	for _, name := range slices.Sorted(maps.Keys(r.Ulimits)) {
		limits.Ulimits = append(limits.Ulimits, &units.Ulimit{Name: name, Soft: r.Ulimits[name].Soft, Hard: r.Ulimits[name].Hard})
	}
	limits.CPUShares, limits.CPUPeriod, limits.CPUQuota, limits.CpusetCpus = r.CPUShares, r.CPUPeriod, r.CPUQuota, r.CPUSet
	limits.MemorySwap, limits.CgroupParent = r.MemorySwap, r.CgroupParent
	host.OomScoreAdj = r.OOMScoreAdj
}

// toLogging keeps the size of logs bounded where only the driver local is asked for.
func toLogging(l *fleet.Logging) container.LogConfig {
	if l.Driver != "" && l.Driver != "local" {
		return container.LogConfig{Type: l.Driver, Config: l.Options}
	}
	options := map[string]string{"max-size": "10m", "max-file": "3"}
	maps.Copy(options, l.Options)
	return container.LogConfig{Type: "local", Config: options}
}

var errTooOld = errors.New("this host's engine is too old")

// newEnough says what of a spec an engine would leave out without a word because it is
// older than that.
func (e *Engine) newEnough(ctx context.Context, spec *fleet.Spec) error {
	var api string
	err := e.call(ctx, func(_ context.Context, cli *client.Client) error {
		api = cli.ClientVersion()
		return nil
	})
	if err != nil {
		return err
	}
	needs := func(stated bool, what, since, engine string) error {
		if !stated || !versions.LessThan(api, since) {
			return nil
		}
		return fmt.Errorf("%w (API %s) for %s: it takes Docker Engine %s", errTooOld, api, what, engine)
	}
	subpath := slices.ContainsFunc(spec.Mounts, func(m fleet.Mount) bool { return m.Subpath != "" })
	return errors.Join(
		needs(spec.Runtime != nil && len(spec.Runtime.Annotations) > 0, "annotations", "1.43", "24.0"),
		needs(spec.Healthcheck != nil && spec.Healthcheck.StartInterval != 0, "healthcheck.start_interval", "1.44", "25.0"),
		needs(subpath, "volume.subpath", "1.45", "26.0"),
	)
}
