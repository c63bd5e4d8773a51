package turn

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// ordered is a project's services as they depend on each other once a file is applied.
type ordered struct {
	services map[string]*fleet.Service
	inFile   map[string]bool
}

func (t *tx) orderAfter(c fleet.Command) ordered {
	o := ordered{services: map[string]*fleet.Service{}, inFile: map[string]bool{}}
	t.services.each(func(key fleet.ServiceKey, s *Service) {
		if key.Project == c.Project && !s.Removing && !c.Prune {
			o.services[key.Name] = &s.Asked
		}
	})
	for i := range c.Services {
		s := &c.Services[i]
		o.services[s.Key.Name], o.inFile[s.Key.Name] = s, true
	}
	return o
}

// refuseOrder refuses services that depend on what isn't there, on an end that never
// comes, or on themselves.
func (t *tx) refuseOrder(c fleet.Command) error {
	o := t.orderAfter(c)
	for _, name := range sorted(o.services, byText) {
		for _, d := range o.services[name].DependsOn {
			if !o.inFile[name] && !o.inFile[d.Service] {
				continue // it was taken before
			}
			if err := o.refuse(c.Project, name, d); err != nil {
				return err
			}
		}
	}
	on := map[string][]fleet.Dependency{}
	for name, s := range o.services {
		on[name] = s.DependsOn
	}
	for _, name := range sorted(o.inFile, byText) {
		if path := fleet.Cycle(on, name); path != nil {
			return fleet.Invalid(fmt.Sprintf("services.%s.depends_on", name), "%s", strings.Join(path, " -> ")).
				WithHint("each waits for the next: take one of them out")
		}
	}
	return nil
}

func (o ordered) refuse(project, name string, d fleet.Dependency) error {
	path, on := fmt.Sprintf("services.%s.depends_on.%s", name, d.Service), o.services[d.Service]
	switch {
	case on == nil && d.Optional:
		return nil
	case on == nil:
		return fleet.Invalid(path, "there is no service %s", d.Service).WithHint("there are %s; with required: false it is waited for only if it is there", strings.Join(sorted(o.services, byText), ", "))
	case d.Condition == fleet.ConditionCompleted && on.Mode != fleet.ModeJob && !o.inFile[name]:
		return fleet.Invalid(fmt.Sprintf("services.%s.deploy.mode", d.Service), "%s/%s depends on its completion, and this has no end", project, name).
			WithHint("give it deploy.mode: replicated-job, or apply the file of both")
	case d.Condition == fleet.ConditionCompleted && on.Mode != fleet.ModeJob:
		return fleet.Invalid(path+".condition", "%s isn't a one-shot service: it has no end", d.Service).
			WithHint("give it deploy.mode: replicated-job, and apply that")
	case d.Condition == fleet.ConditionHealthy && on.Mode == fleet.ModeJob:
		return fleet.Invalid(path+".condition", "%s is a one-shot service: it isn't to stay healthy, but to end", d.Service).
			WithHint("use service_completed_successfully, or service_started")
	}
	return nil
}

// orderWarnings name the dependencies that aren't there, and needn't be.
func (t *tx) orderWarnings(c fleet.Command) (warnings []string) {
	o := t.orderAfter(c)
	for i := range c.Services {
		for _, d := range c.Services[i].DependsOn {
			if o.services[d.Service] == nil {
				warnings = append(warnings, fmt.Sprintf("services.%s.depends_on.%s: there is no service %s; nothing waits for it", c.Services[i].Key.Name, d.Service, d.Service))
			}
		}
	}
	return warnings
}

// startAnyway has a service wait no longer for those that it depends on.
func (t *tx) startAnyway(c fleet.Command) (fleet.Result, error) {
	s, err := t.serviceFor(c)
	if err != nil {
		return fleet.Result{}, err
	}
	message := fmt.Sprintf("%s is started, and doesn't wait for %s any more", c.Service, s.waitsFor())
	t.begin(s)
	t.changed(t.services.edit(c.Service), fleet.EventServiceStarted, c, message)
	return fleet.Result{Changed: true, Message: message}, nil
}
