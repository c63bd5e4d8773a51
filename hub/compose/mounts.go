package compose

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// volume is a named volume as the document's top level declares it.
type volume struct {
	name string // in full, as the container engine knows it
}

var (
	volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$`)
	volumeKeys = &schema{fields: map[string]*schema{
		"name": leaf, "external": leaf, "driver": leaf,
		"labels":      {hint: "leave them out: nothing reads them"},
		"driver_opts": {hint: "use a bind mount of a path that the hosts have mounted"},
	}}
)

func parseVolumes(p *problems, project string, value any) map[string]volume {
	tree, ok := value.(map[string]any)
	if !ok && value != nil {
		p.invalid("volumes", "must be a mapping of names to volumes")
	}
	out := make(map[string]volume, len(tree))
	for _, key := range sortedKeys(tree) {
		at := join("volumes", key)
		v := volume{name: projectOr(project) + "_" + key}
		if tree[key] != nil {
			v.name = parseVolume(p, at, key, v.name, tree[key])
		}
		if !volumeName.MatchString(v.name) {
			p.invalid(at, "%q is not a name of a volume", v.name).WithHint("use letters, digits, '.', '_' and '-'")
		}
		out[key] = v
	}
	return out
}

func parseVolume(p *problems, at, key, name string, value any) string {
	f, ok := newFields(p, at, value)
	if !ok {
		return name
	}
	checkKeys(p, at, f.tree, volumeKeys)
	if driver := f.text("driver"); driver != "" && driver != "local" {
		p.invalid(join(at, "driver"), "%q is not supported", driver).WithHint("only local volumes are")
	}
	if f.yes("external") {
		name = key
	}
	if stated := f.text("name"); stated != "" {
		name = stated
	}
	return name
}

// mountOptions are those of a short mount that are carried out, or without
// meaning on Linux.
var mountOptions = []string{"ro", "rw", "consistent", "cached", "delegated"}

// checkShortMounts refuses the options of "source:target:options" that aren't
// carried out. Those of a mount in long form are keys, and checked as such.
func checkShortMounts(p *problems, path string, entries []any) {
	for i, entry := range entries {
		short, _ := entry.(string)
		parts := strings.SplitN(short, ":", 3)
		if len(parts) < 3 {
			continue
		}
		for _, option := range strings.Split(parts[2], ",") {
			if !slices.Contains(mountOptions, option) {
				p.invalid(index(path, i), "option %q is not supported", option).WithHint("remove it: Muster does not carry it out")
			}
		}
	}
}

func mapMounts(p *problems, servicePath string, source []types.ServiceVolumeConfig, volumes map[string]volume) []fleet.Mount {
	var out []fleet.Mount
	seen := map[string]string{}
	for i, v := range source {
		at := index(join(servicePath, "volumes"), i)
		m, ok := mapMount(p, at, v, volumes)
		if !ok {
			continue
		}
		if first, twice := seen[m.Target]; twice {
			p.invalid(at, "mounts on %s, as %s does", m.Target, first)
			continue
		}
		seen[m.Target] = at
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b fleet.Mount) int { return strings.Compare(a.Target, b.Target) })
	return out
}

func mapMount(p *problems, at string, v types.ServiceVolumeConfig, volumes map[string]volume) (fleet.Mount, bool) {
	m := fleet.Mount{Type: v.Type, Target: path.Clean(v.Target), ReadOnly: v.ReadOnly}
	if !cleanPath(v.Target) || m.Target == "/" {
		p.invalid(join(at, "target"), "%q is not an absolute path in the container", v.Target)
		return m, false
	}
	switch v.Type {
	case fleet.MountBind:
		if !cleanPath(v.Source) {
			p.invalid(join(at, "source"), "%q is not an absolute path", v.Source).
				WithHint("muster apply makes paths absolute; a named volume must be declared under volumes")
			return m, false
		}
		m.Source = path.Clean(v.Source)
		p.warn(at, "%s is the host's own path: every host that runs this must have it", m.Source)
	case fleet.MountVolume:
		if v.Source == "" {
			break
		}
		declared, ok := volumes[v.Source]
		if !ok {
			p.invalid(join(at, "source"), "volume %q is not declared", v.Source).WithHint("add %s: under the top-level volumes", v.Source)
			return m, false
		}
		m.Source = declared.name
	case fleet.MountTmpfs:
		if v.Source != "" {
			p.invalid(join(at, "source"), "has no meaning for tmpfs").WithHint("leave it out")
		}
		if v.Tmpfs != nil {
			m.Size = int64(v.Tmpfs.Size)
		}
		if m.Size < 0 {
			p.invalid(join(at, "tmpfs.size"), "must not be negative")
		}
	default:
		p.invalid(join(at, "type"), "%q is not supported", v.Type).WithHint("use bind, volume or tmpfs")
		return m, false
	}
	return m, true
}

func cleanPath(p string) bool {
	return path.IsAbs(p) && len(p) <= 4096 && !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f })
}
