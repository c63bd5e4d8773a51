package compose

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// config is one of the document's top level: its content, or the name of the secret
// that it is in.
type config struct {
	name    string
	content []byte
	secret  bool
}

func parseConfigs(p *problems, value any) map[string]config {
	tree := namesOf(p, "configs", value)
	out := make(map[string]config, len(tree))
	for _, key := range sortedKeys(tree) {
		out[key] = parseConfig(p, join("configs", key), key, tree[key])
	}
	return out
}

func parseConfig(p *problems, at, key string, value any) config {
	c := config{name: key}
	const where = "write content:, file: or environment:, or external: true if it is set by muster secret set"
	if value == nil { // without content it is an empty file, as the document has those
		p.invalid(at, "doesn't say what is in it").WithHint(where)
		return c
	}
	f, ok := newFields(p, at, value)
	if !ok {
		return c
	}
	_, stated := f.get("content")
	c.secret = f.yes("external")
	if name := f.text("name"); name != "" {
		c.name = name
	}
	checkKeys(p, at, f.tree, configKeys)
	switch text := f.text("content"); {
	case c.secret && stated:
		p.invalid(join(at, "content"), "contradicts external").WithHint("leave one of both out")
	case c.secret && fleet.ValidateSecretName(c.name) != nil:
		p.invalid(at, "%q is not a name of a secret", c.name).WithHint(secretNameHint)
	case len(text) > fleet.MaxConfig:
		p.invalid(at, "has %d bytes; the limit is %d", len(text), fleet.MaxConfig).WithHint("put it into the image, or on a volume: what travels with a version has to fit into messages")
	default:
		c.content = []byte(text)
	}
	return c
}

// mapConfigs maps the files that a service's containers are to see. Those in secrets
// become secrets.
func mapConfigs(p *problems, servicePath string, source []types.ServiceConfigObjConfig, declared map[string]config, spec *fleet.Spec) {
	at := join(servicePath, "configs")
	if len(source) > fleet.MaxConfigs {
		p.invalid(at, "%d configs; the limit is %d", len(source), fleet.MaxConfigs)
		return
	}
	taken := map[string]string{}
	for _, m := range spec.Mounts {
		taken[m.Target] = "a volume"
	}
	for _, m := range spec.Secrets {
		taken[m.Target] = "a secret"
	}
	all := 0
	for i, s := range source {
		place := index(at, i)
		c, ok := declared[s.Source]
		if !ok {
			p.invalid(place, "config %q is not declared", s.Source).WithHint("add %s: under the top-level configs", s.Source)
			continue
		}
		target := configTarget(p, place, s)
		if before, twice := taken[target]; twice {
			p.invalid(place, "is at %s, as %s is", target, before)
			continue
		}
		taken[target] = "another config"
		uid, gid, mode := mapID(p, join(place, "uid"), s.UID), mapID(p, join(place, "gid"), s.GID), mapMode(p, join(place, "mode"), s.Mode)
		if c.secret {
			spec.Secrets = append(spec.Secrets, fleet.SecretMount{Name: c.name, Target: target, UID: uid, GID: gid, Mode: mode})
			continue
		}
		if all += len(c.content); all > fleet.MaxAllConfigs {
			p.invalid(place, "with its %d bytes, the configs of the service have %d; the limit is %d", len(c.content), all, fleet.MaxAllConfigs).
				WithHint("put some into the image, or on a volume: what travels with a version has to fit into messages")
		}
		spec.Configs = append(spec.Configs, fleet.Config{
			Name: c.name, Target: target, UID: uid, GID: gid, Mode: mode,
			Size: len(c.content), Sum: fleet.ConfigSum(c.content), Content: c.content,
		})
	}
	slices.SortFunc(spec.Configs, func(a, b fleet.Config) int { return strings.Compare(a.Target, b.Target) })
	slices.SortFunc(spec.Secrets, func(a, b fleet.SecretMount) int { return strings.Compare(a.Target, b.Target) })
}

// configTarget is a config's path in a container: below / that of its name.
func configTarget(p *problems, at string, s types.ServiceConfigObjConfig) string {
	target := s.Target
	if target == "" {
		target = s.Source
	}
	target = path.Join("/", target)
	if !cleanPath(target) || target == "/" {
		p.invalid(join(at, "target"), "%q is not a path of a file in the container", s.Target)
	}
	return target
}

func mapMode(p *problems, at string, mode *types.FileMode) fleet.FileMode {
	if mode == nil {
		return defaultMode
	}
	if *mode < 0 || *mode > 0o777 {
		p.invalid(at, "must be from 0000 to 0777, not %#o", int64(*mode))
	}
	return fleet.FileMode(*mode & 0o777)
}
