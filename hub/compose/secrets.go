package compose

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// secretsDir is where containers find their secrets.
const secretsDir = "/run/secrets"

// defaultMode is what Compose gives a secret's file: everybody in the container may
// read it.
const defaultMode = 0o444

// secretNameHint says what a name of a secret may be.
const secretNameHint = "use 1 to 63 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit"

// parseSecrets reads which secrets of the project a document names, and how it calls
// them.
func parseSecrets(p *problems, value any) map[string]string {
	tree := namesOf(p, "secrets", value)
	out := make(map[string]string, len(tree))
	for _, key := range sortedKeys(tree) {
		at := join("secrets", key)
		name, ok := parseSecret(p, at, key, tree[key])
		if ok && fleet.ValidateSecretName(name) != nil {
			p.invalid(at, "%q is not a name of a secret", name).WithHint(secretNameHint)
		}
		out[key] = name
	}
	return out
}

func parseSecret(p *problems, at, key string, value any) (name string, ok bool) {
	if value == nil {
		p.invalid(at, "doesn't say where its value is").WithHint("write external: true if it is set by muster secret set, or file: or environment:")
		return key, false
	}
	f, ok := newFields(p, at, value)
	if !ok {
		return key, false
	}
	stated := false
	for _, elsewhere := range []string{"file", "environment", "content", "driver"} { // said below, with the way out
		stated = stated || f.has(elsewhere)
	}
	checkKeys(p, at, f.tree, secretKeys)
	if !f.yes("external") && !stated {
		p.invalid(at, "doesn't say where its value is").WithHint("write external: true if it is set by muster secret set, or file: or environment:")
	}
	name = key
	if other := f.text("name"); other != "" {
		name = other
	}
	return name, true
}

// mapSecrets maps the files that a service's containers are to see.
func mapSecrets(p *problems, servicePath string, source []types.ServiceSecretConfig, declared map[string]string, mounts []fleet.Mount) []fleet.SecretMount {
	at := join(servicePath, "secrets")
	if len(source) > fleet.MaxSecrets {
		p.invalid(at, "%d secrets; the limit is %d", len(source), fleet.MaxSecrets)
		return nil
	}
	taken := map[string]string{}
	for _, m := range mounts {
		taken[m.Target] = "a volume"
	}
	var out []fleet.SecretMount
	for i, s := range source {
		at := index(at, i)
		name, ok := declared[s.Source]
		if !ok {
			p.invalid(at, "secret %q is not declared", s.Source).WithHint("add %s: {external: true} under the top-level secrets", s.Source)
			continue
		}
		m := fleet.SecretMount{Name: name, Target: secretTarget(p, at, s), UID: mapID(p, join(at, "uid"), s.UID), GID: mapID(p, join(at, "gid"), s.GID), Mode: defaultMode}
		if s.Mode != nil {
			if *s.Mode < 0 || *s.Mode > 0o777 {
				p.invalid(join(at, "mode"), "must be from 0000 to 0777, not %#o", int64(*s.Mode))
			}
			m.Mode = fleet.FileMode(*s.Mode & 0o777)
		}
		if before, twice := taken[m.Target]; twice {
			p.invalid(at, "is at %s, as %s is", m.Target, before)
			continue
		}
		taken[m.Target] = "another secret"
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b fleet.SecretMount) int { return strings.Compare(a.Target, b.Target) })
	return out
}

// secretTarget is a secret's path in a container: that of its name, unless stated.
func secretTarget(p *problems, at string, s types.ServiceSecretConfig) string {
	target := s.Target
	if target == "" {
		target = s.Source
	}
	if !path.IsAbs(target) {
		if full := path.Join(secretsDir, target); !strings.HasPrefix(full, secretsDir+"/") {
			p.invalid(join(at, "target"), "%q leads out of %s", target, secretsDir).WithHint("write the absolute path that it is to have")
			return full
		}
		target = path.Join(secretsDir, target)
	}
	if !cleanPath(target) || path.Clean(target) == "/" {
		p.invalid(join(at, "target"), "%q is not a path of a file in the container", target)
	}
	return path.Clean(target)
}

// mapID reads a user's or group's number: hosts don't know the image's names.
func mapID(p *problems, path, text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > math.MaxInt32 {
		p.invalid(path, "%q is not a number", text).WithHint("write the number that the image's user or group has, like \"1000\"")
		return 0
	}
	return int(n)
}
