package compose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// maxTries bounds counters of tries in a row.
const maxTries = 1000

// minMemory is the least that the container engine accepts as a limit.
const minMemory = 6 << 20

// mapDeploy fills in how many instances there are and where they may run. oneShot: others
// wait for its end.
func mapDeploy(p *problems, path string, s types.ServiceConfig, oneShot bool, service *fleet.Service) {
	service.Mode = fleet.ModeReplicated
	var replicas *int
	at := join(path, "deploy.replicas")
	if d := s.Deploy; d != nil {
		replicas = d.Replicas
		switch d.Mode {
		case "", fleet.ModeReplicated:
		case fleet.ModeGlobal:
			service.Mode = fleet.ModeGlobal
		case modeJob:
			service.Mode = fleet.ModeJob
		default:
			p.invalid(join(path, "deploy.mode"), "%q is not supported", d.Mode).WithHint("use replicated, global or %s", modeJob)
		}
		service.Labels = mapLabels(p, join(path, "deploy.labels"), d.Labels)
		checkEndpointMode(p, join(path, "deploy.endpoint_mode"), d.EndpointMode)
		service.Constraints = mapConstraints(p, join(path, "deploy.placement.constraints"), d.Placement.Constraints)
	}
	if oneShot && service.Mode == fleet.ModeReplicated {
		service.Mode = fleet.ModeJob
	}
	if s.Scale != nil {
		if replicas != nil && *replicas != *s.Scale {
			p.invalid(join(path, "scale"), "says %d, and deploy.replicas says %d", *s.Scale, *replicas).WithHint("state the count once")
		}
		if replicas == nil {
			replicas, at = s.Scale, join(path, "scale")
		}
	}
	switch {
	case service.Mode == fleet.ModeJob:
		service.CountStated = true // as none
		if replicas != nil && *replicas != 1 {
			p.invalid(at, "has no meaning for a service that runs to its end").WithHint("leave it out: one instance runs to its end")
		}
	case service.Mode == fleet.ModeGlobal && replicas != nil:
		p.invalid(at, "has no meaning in mode global").WithHint("leave it out: one instance runs on every eligible host")
	case service.Mode == fleet.ModeGlobal:
	case replicas == nil:
		service.Count = 1
	case *replicas < 0 || *replicas > MaxCount:
		p.invalid(at, "must be a number from 0 to %d, not %d", MaxCount, *replicas)
	default:
		service.Count, service.CountStated = *replicas, true
	}
}

// mapRestart reads restart, or deploy.restart_policy, which means the same.
func mapRestart(p *problems, path string, s types.ServiceConfig) fleet.Restart {
	out := fleet.Restart{Policy: fleet.RestartAlways}
	if s.Deploy != nil && s.Deploy.Mode == modeJob {
		out.Policy = fleet.RestartNo
	}
	at := join(path, "restart")
	if s.Restart != "" {
		policy, attempts, limited := strings.Cut(s.Restart, ":")
		out.Policy = policy
		if !slices.Contains([]string{fleet.RestartNo, fleet.RestartAlways, fleet.RestartOnFailure, fleet.RestartUnlessStopped}, policy) ||
			limited && policy != fleet.RestartOnFailure {
			p.invalid(at, "%q is not supported", s.Restart).WithHint("use no, always, unless-stopped, on-failure or on-failure:5")
		} else if limited {
			n, err := strconv.Atoi(attempts)
			if err != nil || n < 1 || n > maxTries {
				p.invalid(at, "the number of attempts must be from 1 to %d, not %q", maxTries, attempts)
			}
			out.MaxAttempts = n
		}
	}
	if s.Deploy == nil || s.Deploy.RestartPolicy == nil {
		return out
	}
	at = join(path, "deploy.restart_policy")
	deployed := mapRestartPolicy(p, at, s.Deploy.RestartPolicy)
	if s.Restart != "" && deployed != out {
		p.invalid(at, "contradicts restart: %s", s.Restart).WithHint("state it once")
	}
	return deployed
}

func mapRestartPolicy(p *problems, path string, policy *types.RestartPolicy) fleet.Restart {
	var out fleet.Restart
	switch policy.Condition {
	case "none":
		out.Policy = fleet.RestartNo
	case "on-failure":
		out.Policy = fleet.RestartOnFailure
	case "", "any":
		out.Policy = fleet.RestartAlways
	default:
		p.invalid(join(path, "condition"), "%q is not supported", policy.Condition).WithHint("use none, on-failure or any")
	}
	if n := policy.MaxAttempts; n != nil && *n > 0 {
		switch {
		case out.Policy != fleet.RestartOnFailure:
			p.invalid(join(path, "max_attempts"), "needs condition: on-failure")
		case *n > maxTries:
			p.invalid(join(path, "max_attempts"), "must be a number from 0 to %d, not %d", maxTries, *n)
		default:
			out.MaxAttempts = int(*n)
		}
	}
	return out
}

func mapResources(p *problems, servicePath string, s types.ServiceConfig) fleet.Resources {
	var out fleet.Resources
	d, path := s.Deploy, join(servicePath, "deploy.resources")
	if d == nil {
		d = &types.DeployConfig{}
	}
	if l := d.Resources.Limits; l != nil {
		out.CPULimit = cores(p, join(path, "limits.cpus"), l.NanoCPUs)
		out.MemoryLimit = memory(p, join(path, "limits.memory"), int64(l.MemoryBytes))
		if l.Pids < 0 {
			p.invalid(join(path, "limits.pids"), "must not be negative").WithHint("leave it out for no limit")
		}
		out.PidsLimit = l.Pids
	}
	if r := d.Resources.Reservations; r != nil {
		out.CPUReservation = cores(p, join(path, "reservations.cpus"), r.NanoCPUs)
		out.MemoryReservation = memory(p, join(path, "reservations.memory"), int64(r.MemoryBytes))
	}
	mapOldLimits(p, servicePath, &s, &out)
	if out.MemoryLimit > 0 && out.MemoryLimit < minMemory {
		at := join(path, "limits.memory")
		if s.MemLimit != 0 {
			at = join(servicePath, "mem_limit")
		}
		p.invalid(at, "must be at least 6 MiB")
	}
	if out.CPULimit > 0 && out.CPUReservation > out.CPULimit {
		p.invalid(join(path, "reservations.cpus"), "is more than limits.cpus")
	}
	if out.MemoryLimit > 0 && out.MemoryReservation > out.MemoryLimit {
		p.invalid(join(path, "reservations.memory"), "is more than limits.memory")
	}
	return out
}

// cores reads a number of cores as it was written: the library keeps it in
// single precision, where 0.1 is not 0.1.
func cores(p *problems, path string, value types.NanoCPUs) float64 {
	n, err := strconv.ParseFloat(strconv.FormatFloat(float64(value.Value()), 'g', -1, 32), 64)
	if err != nil || n < 0 || n > 4096 || n != n {
		p.invalid(path, "must be a number of cores from 0 to 4096")
		return 0
	}
	return n
}

func memory(p *problems, path string, bytes int64) int64 {
	if bytes < 0 {
		p.invalid(path, "must not be negative")
		return 0
	}
	return bytes
}
