package compose

import (
	"errors"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// modeJob is what Swarm calls a service that runs to its end. Here it is run by
// rollouts that name it, and by nothing else.
const modeJob = "replicated-job"

// readJobs reads the names of one-shot services.
func readJobs(f *fields, key string) []string {
	const hint = "write it like [migrate, 'https://ci.example.com/hook']"
	var out []string
	for i, item := range f.list(key, fleet.MaxJobs, hint) {
		name, ok := item.(string)
		wrong := (*fleet.Error)(nil)
		switch at := index(f.at(key), i); {
		case ok && fleet.IsHook(name) && errors.As(fleet.ValidateHook(name), &wrong):
			wrong.Path = at
			f.p.add(wrong)
		case ok && fleet.IsHook(name) && !slices.Contains(out, name):
			out = append(out, name)
		case !ok || !fleet.IsHook(name) && fleet.ValidateServiceName(name) != nil:
			f.p.invalid(at, "%v is not a service name", item).WithHint(hint)
		case slices.Contains(out, name):
			f.p.invalid(at, "names %s again", name).WithHint("name it once")
		default:
			out = append(out, name)
		}
	}
	return out
}

// checkJob refuses what makes no sense for a service that runs to its end.
func checkJob(p *problems, path string, s types.ServiceConfig, lb, probe, rollout any, service *fleet.Service) {
	const (
		serves = "leave it out: a job serves nobody"
		moves  = "leave it out: the next rollout that names this service runs its newest version"
	)
	for _, key := range []struct {
		name, hint string
		stated     bool
	}{
		{"ports", serves, len(s.Ports) > 0},
		{keyLB, serves, lb != nil},
		{keyProbe, serves, probe != nil},
		{"deploy.update_config", moves, s.Deploy.UpdateConfig != nil},
		{"deploy.rollback_config", moves, s.Deploy.RollbackConfig != nil},
		{"deploy." + keyRollout, moves, rollout != nil},
	} {
		if key.stated {
			p.invalid(join(path, key.name), "has no meaning in mode %s", modeJob).WithHint("%s", key.hint)
		}
	}
	if policy := service.Spec.Restart.Policy; policy != fleet.RestartNo && policy != fleet.RestartOnFailure {
		at := join(path, "restart")
		if s.Restart == "" {
			at = join(path, "deploy.restart_policy")
		}
		p.invalid(at, "would start a job again that has come to its end").WithHint("use restart: \"no\" or on-failure")
	}
}

// checkJobs refuses rollouts that name services which aren't jobs, and jobs
// that no rollout names.
func checkJobs(p *problems, doc *document, services []fleet.Service) {
	modes, named := map[string]string{}, map[string]bool{}
	for i := range services {
		modes[services[i].Key.Name] = services[i].Mode
	}
	for i := range services {
		s := &services[i]
		if s.Rollout == nil {
			continue
		}
		at := join(join("services", s.Key.Name), "deploy."+keyRollout)
		for i, name := range s.Rollout.Before {
			checkNamed(p, index(join(at, "before"), i), name, doc, modes)
		}
		for i, name := range s.Rollout.Each {
			checkNamed(p, index(join(at, "each"), i), name, doc, modes)
		}
		for i, name := range s.Rollout.After {
			checkNamed(p, index(join(at, "after"), i), name, doc, modes)
		}
		for _, name := range slices.Concat(s.Rollout.Before, s.Rollout.Each, s.Rollout.After) {
			named[name] = true
		}
	}
	if len(p.errs) > 0 {
		return // what names it may be what is wrong
	}
	for _, name := range sortedKeys(modes) {
		if modes[name] == fleet.ModeJob && !named[name] {
			p.invalid(join(join("services", name), "deploy.mode"), "no rollout runs it").
				WithHint("name it in before, each or after of a service's deploy.%s, or take it out", keyRollout)
		}
	}
}

func checkNamed(p *problems, path, name string, doc *document, modes map[string]string) {
	if fleet.IsHook(name) {
		return
	}
	_, there := doc.services[name]
	mode, mapped := modes[name]
	switch {
	case !there:
		p.invalid(path, "there is no service %s in this file", name).WithHint("add it, with deploy.mode: %s", modeJob)
	case mapped && mode != fleet.ModeJob:
		p.invalid(path, "%s isn't a service that runs to its end", name).WithHint("give it deploy.mode: %s", modeJob)
	}
}
