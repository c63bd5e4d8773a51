package compose

import (
	"strings"
)

// schema says which keys Muster carries out at one place of a document.
type schema struct {
	fields  map[string]*schema // known keys; nil: anything goes
	items   *schema            // of a list's mappings
	ignored string             // not carried out, and harmless: the warning
	refused string             // why not, where there is more to say than "not supported"
	hint    string
}

var (
	leaf = &schema{}

	topLevel = &schema{fields: map[string]*schema{
		"name": leaf, "services": leaf, "volumes": leaf, "secrets": leaf, "version": leaf,
		"networks": {ignored: "ignored: instances reach services of their project by name through the balancers"},
		"configs":  {hint: "put the content into the image or into environment, or have it as a secret"},
		"include":  resolveFirst,
	}}

	serviceKeys = &schema{fields: map[string]*schema{
		"image": leaf, "command": leaf, "entrypoint": leaf, "environment": leaf,
		"expose": leaf, "labels": leaf, "user": leaf, "restart": leaf,
		"scale": leaf, "stop_grace_period": leaf, "stop_signal": leaf,
		"ports":       {items: known("name", "target", "published", "protocol", "mode", "host_ip")},
		"volumes":     {items: mountKeys},
		"secrets":     {items: known("source", "target", "uid", "gid", "mode")},
		"healthcheck": known("test", "interval", "timeout", "start_period", "retries", "disable"),
		"deploy":      deployKeys,

		"build":          {ignored: "ignored: hosts run the image, they don't build it"},
		"container_name": {ignored: "ignored: every instance's container has a name of its own"},
		"depends_on":     {ignored: "ignored: services start in any order, and instances are retried until they are ready"},
		"networks":       {ignored: "ignored: instances reach services of their project by name through the balancers"},

		"env_file":        resolveFirst,
		"label_file":      resolveFirst,
		"extends":         resolveFirst,
		"profiles":        resolveFirst,
		"cpus":            {hint: "use deploy.resources.limits.cpus"},
		"mem_limit":       {hint: "use deploy.resources.limits.memory"},
		"mem_reservation": {hint: "use deploy.resources.reservations.memory"},
		"pids_limit":      {hint: "use deploy.resources.limits.pids"},
		"tmpfs":           {hint: "use volumes with type: tmpfs"},
		"links":           {hint: "instances reach services of their project by name"},
		"configs":         {hint: "put the content into the image or into environment, or have it as a secret"},
	}}

	mountKeys = &schema{fields: map[string]*schema{
		"type": leaf, "source": leaf, "target": leaf, "read_only": leaf,
		"consistency": leaf, // without meaning on Linux
		"bind":        known("create_host_path"),
		"volume":      known(),
		"tmpfs":       known("size"),
	}}

	deployKeys = &schema{fields: map[string]*schema{
		"mode": leaf, "replicas": leaf,
		"resources": {fields: map[string]*schema{
			"limits":       known("cpus", "memory", "pids"),
			"reservations": known("cpus", "memory"),
		}},
		"placement":       known("constraints"),
		"update_config":   updateKeys,
		"rollback_config": updateKeys,
		"restart_policy": {fields: map[string]*schema{
			"condition": leaf, "max_attempts": leaf,
			"delay":  {hint: "leave it out: the wait grows with each failure by itself"},
			"window": {hint: "leave it out: a start counts as a success when the instance gets ready"},
		}},
		"labels":        {hint: "use labels of the service: they are set on its containers"},
		"endpoint_mode": {hint: "leave it out: services are reached through the balancers"},
	}}

	updateKeys = known("parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order")

	resolveFirst = &schema{
		refused: "must be resolved before the document reaches the hub",
		hint:    "use muster apply: it resolves the file where its sources are",
	}
)

func known(names ...string) *schema {
	s := &schema{fields: map[string]*schema{}}
	for _, name := range names {
		s.fields[name] = leaf
	}
	return s
}

// checkKeys reports every key of the tree that s doesn't know and removes
// it, so that what remains can be read by itself. Keys that begin with "x-"
// are the author's own, as Compose says.
func checkKeys(p *problems, path string, tree map[string]any, s *schema) {
	for _, key := range sortedKeys(tree) {
		at := join(path, key)
		if strings.HasPrefix(key, "x-") {
			if place, ours := places[key]; ours {
				p.invalid(at, "has no meaning here").WithHint("put %s under %s", key, place)
			}
			delete(tree, key)
			continue
		}
		rule, ok := s.fields[key]
		switch {
		case !ok:
			p.invalid(at, "not supported").WithHint("remove it: Muster does not carry it out")
			delete(tree, key)
		case rule.ignored != "":
			if tree[key] != nil {
				p.warn(at, "%s", rule.ignored)
			}
			delete(tree, key)
		case rule.hint != "":
			message := "not supported"
			if rule.refused != "" {
				message = rule.refused
			}
			p.invalid(at, "%s", message).WithHint("%s", rule.hint)
			delete(tree, key)
		default:
			checkNested(p, at, tree[key], rule)
		}
	}
}

func checkNested(p *problems, path string, value any, rule *schema) {
	if rule.fields != nil {
		if m, ok := value.(map[string]any); ok {
			checkKeys(p, path, m, rule)
		}
	}
	if rule.items != nil {
		list, _ := value.([]any)
		for i, item := range list {
			if m, ok := item.(map[string]any); ok {
				checkKeys(p, index(path, i), m, rule.items)
			}
		}
	}
}
