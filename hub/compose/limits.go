package compose

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

var (
	coreList   = regexp.MustCompile(`^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$`)
	ulimitName = regexp.MustCompile(`^[a-z]{2,16}$`)
	accessRule = regexp.MustCompile(`^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$`)
	accessMode = regexp.MustCompile(`^[rwm]{1,3}$`)
)

// mapNamespaces reads what containers share with their host. What they would share
// with another container can't be.
func mapNamespaces(p *problems, at string, s *types.ServiceConfig, r *fleet.Runtime) {
	for _, n := range []struct {
		key, value string
		to         *string
		known      []string
	}{
		{"ipc", s.Ipc, &r.IPC, []string{"host", "private", "shareable", "none"}},
		{"pid", s.Pid, &r.PID, []string{"host"}},
		{"uts", s.Uts, &r.UTS, []string{"host"}},
		{"userns_mode", s.UserNSMode, &r.Userns, []string{"host"}},
		{"cgroup", s.Cgroup, &r.Cgroup, []string{"host", "private"}},
		{"isolation", s.Isolation, new(string), []string{"default"}},
	} {
		if n.value != "" && !slices.Contains(n.known, n.value) {
			refuseMode(p, join(at, n.key), n.value, n.known)
		}
		*n.to = n.value
	}
}

func refuseMode(p *problems, at, value string, known []string) {
	kind, name, of := strings.Cut(value, ":")
	if of && name != "" && (kind == "container" || kind == "service") {
		p.invalid(at, "%q is not supported: %s", value, unshared).WithHint("use %s, or leave it out", or(known))
		return
	}
	p.invalid(at, "%q is not supported", value).WithHint("use %s, or leave it out", or(known))
}

// mapDevices reads what a container may do with the host's devices. Those of CDI are
// known to an engine by names that only it knows.
func mapDevices(p *problems, at string, s *types.ServiceConfig, r *fleet.Runtime) {
	for i, d := range s.Devices {
		place := index(join(at, "devices"), i)
		if d.Target == "" {
			d.Target = d.Source
		}
		switch {
		case !strings.HasPrefix(path.Clean(d.Source), "/dev/"):
			p.invalid(place, "%q is not a path below /dev", d.Source).WithHint("write it like /dev/ttyUSB0:/dev/ttyUSB0:rw")
		case !cleanPath(d.Target):
			p.invalid(place, "%q is not an absolute path in the container", d.Target)
		case d.Permissions != "" && !accessMode.MatchString(d.Permissions):
			p.invalid(place, "%q are not permissions", d.Permissions).WithHint("use some of r, w and m")
		}
		r.Devices = append(r.Devices, fleet.Device{Source: path.Clean(d.Source), Target: path.Clean(d.Target), Permissions: d.Permissions})
	}
	slices.SortStableFunc(r.Devices, func(a, b fleet.Device) int { return strings.Compare(a.Target, b.Target) })
	for i, rule := range s.DeviceCgroupRules {
		if !accessRule.MatchString(rule) {
			p.invalid(index(join(at, "device_cgroup_rules"), i), "%q is not a rule", rule).WithHint("write it like 'c 188:* rmw'")
		}
		r.DeviceCgroupRules = append(r.DeviceCgroupRules, rule)
	}
}

// mapLimits reads the limits that deploy.resources has no words for.
func mapLimits(p *problems, at string, s *types.ServiceConfig, r *fleet.Runtime) {
	r.CPUShares, r.CPUPeriod, r.CPUQuota, r.CPUSet, r.CgroupParent = s.CPUShares, s.CPUPeriod, s.CPUQuota, s.CPUSet, s.CgroupParent
	r.MemorySwap, r.OOMScoreAdj = int64(s.MemSwapLimit), int(s.OomScoreAdj)
	for _, n := range []struct {
		key       string
		value     int64
		low, high int64
	}{
		{"cpu_shares", r.CPUShares, 0, 262144}, {"cpu_period", r.CPUPeriod, 0, 1_000_000}, {"cpu_quota", r.CPUQuota, -1, 1 << 40},
		{"memswap_limit", r.MemorySwap, -1, 1 << 60}, {"oom_score_adj", s.OomScoreAdj, -1000, 1000},
	} {
		if n.value < n.low || n.value > n.high {
			p.invalid(join(at, n.key), "must be a number from %d to %d, not %d", n.low, n.high, n.value)
		}
	}
	if r.CPUSet != "" && !coreList.MatchString(r.CPUSet) {
		p.invalid(join(at, "cpuset"), "%q are not cores", r.CPUSet).WithHint("write them like 0-2,4")
	}
	mapWord(p, join(at, "cgroup_parent"), r.CgroupParent)
	for _, name := range sortedKeys(s.Ulimits) {
		u := s.Ulimits[name]
		limit := fleet.Ulimit{Soft: int64(u.Soft), Hard: int64(u.Hard)}
		if u.Single != 0 {
			limit = fleet.Ulimit{Soft: int64(u.Single), Hard: int64(u.Single)}
		}
		if !ulimitName.MatchString(name) || limit.Soft < -1 || limit.Hard < -1 || limit.Hard >= 0 && (limit.Soft > limit.Hard || limit.Soft < 0) {
			p.invalid(join(join(at, "ulimits"), name), "is not a limit").WithHint("write it like nofile: 65536, or nofile: {soft: 1024, hard: 65536}")
		}
		if r.Ulimits == nil {
			r.Ulimits = map[string]fleet.Ulimit{}
		}
		r.Ulimits[name] = limit
	}
}

// mapOldLimits reads limits as Compose had them before deploy.resources. Each is
// stated once, or twice the same.
func mapOldLimits(p *problems, at string, s *types.ServiceConfig, out *fleet.Resources) {
	bytes := func(key, same string, value types.UnitBytes, to *int64) {
		stated := memory(p, join(at, key), int64(value))
		if *to != 0 && stated != 0 && *to != stated {
			p.invalid(join(at, key), "differs from %s", same).WithHint("state it once")
		}
		if stated != 0 {
			*to = stated
		}
	}
	bytes("mem_limit", "deploy.resources.limits.memory", s.MemLimit, &out.MemoryLimit)
	bytes("mem_reservation", "deploy.resources.reservations.memory", s.MemReservation, &out.MemoryReservation)
	if s.PidsLimit > 0 { // -1: none
		bytes("pids_limit", "deploy.resources.limits.pids", types.UnitBytes(s.PidsLimit), &out.PidsLimit)
	}
	cpus := cores(p, join(at, "cpus"), types.NanoCPUs(s.CPUS))
	if out.CPULimit != 0 && cpus != 0 && out.CPULimit != cpus {
		p.invalid(join(at, "cpus"), "differs from deploy.resources.limits.cpus").WithHint("state it once")
	}
	if cpus != 0 {
		out.CPULimit = cpus
	}
	switch {
	case out.CPULimit != 0 && s.CPUQuota != 0:
		p.invalid(join(at, "cpu_quota"), "says the same as cpus in another way").WithHint("state one of them")
	case out.CPULimit != 0 && s.CPUPeriod != 0:
		p.invalid(join(at, "cpu_period"), "says the same as cpus in another way").WithHint("state one of them")
	}
	if swap := int64(s.MemSwapLimit); swap != 0 && out.MemoryLimit == 0 {
		p.invalid(join(at, "memswap_limit"), "needs a limit of memory").WithHint("add mem_limit or deploy.resources.limits.memory")
	} else if swap > 0 && swap < out.MemoryLimit {
		p.invalid(join(at, "memswap_limit"), "is less than the limit of memory, which is part of it")
	}
}
