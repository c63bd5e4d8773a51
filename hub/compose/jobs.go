package compose

import (
	"errors"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// modeJob is what Swarm calls a service that runs to its end. Here it is run once a
// version where others depend on it, and by rollouts that name it. One on whose
// completion others depend is such a service whether it says so or not.
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
		serves = "leave it out: what runs to its end serves nobody"
		moves  = "leave it out: each new version runs once, or when a rollout that names it comes to it"
	)
	var deploy types.DeployConfig
	if s.Deploy != nil {
		deploy = *s.Deploy
	}
	for _, key := range []struct {
		name, hint string
		stated     bool
	}{
		{"ports", serves, len(s.Ports) > 0},
		{keyLB, serves, lb != nil},
		{keyProbe, serves, probe != nil},
		{"deploy.update_config", moves, deploy.UpdateConfig != nil},
		{"deploy.rollback_config", moves, deploy.RollbackConfig != nil},
		{"deploy." + keyRollout, moves, rollout != nil},
	} {
		switch at := join(path, key.name); {
		case !key.stated:
		case deploy.Mode != modeJob && key.hint == moves:
			p.warn(at, "ignored: it runs to its end, as others depend on its completion")
		default:
			p.invalid(at, "has no meaning for a service that runs to its end").WithHint("%s", key.hint)
		}
	}
	if s.Restart == "" && deploy.RestartPolicy == nil {
		service.Spec.Restart = fleet.Restart{Policy: fleet.RestartNo}
	}
	if policy := service.Spec.Restart.Policy; policy != fleet.RestartNo && policy != fleet.RestartOnFailure {
		at := join(path, "restart")
		if s.Restart == "" {
			at = join(path, "deploy.restart_policy")
		}
		p.invalid(at, "would start again what has come to its end").WithHint("use restart: \"no\" or on-failure")
	}
}

// checkJobs refuses rollouts that name services which aren't jobs, and jobs
// that no rollout names and nobody depends on.
func checkJobs(p *problems, doc *document, order depends, services []fleet.Service) {
	modes, named := map[string]string{}, map[string]bool{}
	for _, on := range order.on {
		for _, d := range on {
			named[d.Service] = true
		}
	}
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
			p.invalid(join(join("services", name), "deploy.mode"), "nothing runs it").
				WithHint("name it in depends_on of a service, or in before, each or after of one's deploy.%s, or take it out", keyRollout)
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
