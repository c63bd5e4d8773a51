package compose

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// conditions are Compose's names for them.
var conditions = map[string]string{
	"service_started":                fleet.ConditionStarted,
	"service_healthy":                fleet.ConditionHealthy,
	"service_completed_successfully": fleet.ConditionCompleted,
}

const dependsHint = "write it like [db], or like {db: {condition: service_healthy, restart: true}}"

// depends is who comes after whom in a document.
type depends struct {
	on       map[string][]fleet.Dependency // by the names of those who wait
	oneShots map[string]bool               // those whose end others wait for
}

// parseDepends takes depends_on from every service: what one is may follow from who
// depends on it.
func parseDepends(p *problems, doc *document) depends {
	d := depends{on: map[string][]fleet.Dependency{}, oneShots: map[string]bool{}}
	for _, name := range doc.serviceNames() {
		tree, ok := doc.services[name].(map[string]any)
		if !ok {
			continue
		}
		d.on[name] = mapDepends(p, join(join("services", name), "depends_on"), take(tree, "depends_on"))
		for _, on := range d.on[name] {
			if on.Condition == fleet.ConditionCompleted {
				d.oneShots[on.Service] = true
			}
		}
	}
	return d
}

// mapDepends reads depends_on, a list or a mapping; sorted by service.
func mapDepends(p *problems, path string, value any) (out []fleet.Dependency) {
	switch v := value.(type) {
	case nil:
	case []any:
		for i, item := range v {
			name, ok := item.(string)
			switch {
			case !ok || fleet.ValidateServiceName(name) != nil:
				p.invalid(index(path, i), "%v is not a service name", item).WithHint(dependsHint)
			case slices.ContainsFunc(out, func(d fleet.Dependency) bool { return d.Service == name }):
				p.invalid(index(path, i), "names %s again", name).WithHint("name it once")
			default:
				out = append(out, fleet.Dependency{Service: name, Condition: fleet.ConditionStarted})
			}
		}
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if fleet.ValidateServiceName(name) != nil {
				p.invalid(join(path, name), "%q is not a service name", name).WithHint(dependsHint)
				continue
			}
			out = append(out, mapDependency(p, join(path, name), name, v[name]))
		}
	default:
		p.invalid(path, "must be a list or a mapping").WithHint(dependsHint)
	}
	slices.SortFunc(out, func(a, b fleet.Dependency) int { return strings.Compare(a.Service, b.Service) })
	return out
}

func mapDependency(p *problems, path, name string, value any) fleet.Dependency {
	d := fleet.Dependency{Service: name, Condition: fleet.ConditionStarted}
	if value == nil {
		return d
	}
	f, ok := newFields(p, path, value)
	if !ok {
		return d
	}
	if text := f.text("condition"); text != "" {
		if d.Condition = conditions[text]; d.Condition == "" {
			p.invalid(f.at("condition"), "%q is not a condition", text).WithHint("use %s", strings.Join(sortedKeys(conditions), ", "))
		}
	}
	d.Restart = f.yes("restart")
	if f.has("required") {
		d.Optional = !f.yes("required")
	}
	f.done()
	return d
}

// checkDepends refuses services that wait for themselves, and for the end of what has
// none. Whether those that aren't in the document are there, the hub knows.
func checkDepends(p *problems, d depends, services []fleet.Service) {
	modes, told := map[string]string{}, map[string]bool{}
	for i := range services {
		modes[services[i].Key.Name] = services[i].Mode
	}
	for _, name := range sortedKeys(d.on) {
		path := join(join("services", name), "depends_on")
		if way := fleet.Cycle(d.on, name); way != nil && !told[name] {
			for _, other := range way { // which is told once
				told[other] = true
			}
			p.invalid(path, "%s", strings.Join(way, " -> ")).WithHint("each waits for the next: take one of them out")
		}
		for _, on := range d.on[name] {
			at := join(join(path, on.Service), "condition")
			switch mode := modes[on.Service]; {
			case on.Condition == fleet.ConditionCompleted && mode == fleet.ModeGlobal:
				p.invalid(at, "%s is global: it has no end", on.Service).WithHint("use service_started or service_healthy, or have it run once")
			case on.Condition == fleet.ConditionHealthy && mode == fleet.ModeJob:
				p.invalid(at, "%s runs to its end: it isn't to stay healthy", on.Service).WithHint("use service_completed_successfully")
			}
		}
	}
}
