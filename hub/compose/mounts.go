package compose

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// volume is a named volume as the document's top level declares it.
type volume struct {
	name    string // in full, as the container engine knows it
	driver  string // empty: local
	options map[string]string
}

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$`)

func parseVolumes(p *problems, project string, value any) map[string]volume {
	tree := namesOf(p, "volumes", value)
	out := make(map[string]volume, len(tree))
	for _, key := range sortedKeys(tree) {
		at := join("volumes", key)
		v := volume{name: projectOr(project) + "_" + key}
		if tree[key] != nil {
			parseVolume(p, at, key, tree[key], &v)
		}
		if !volumeName.MatchString(v.name) {
			p.invalid(at, "%q is not a name of a volume", v.name).WithHint("use letters, digits, '.', '_' and '-'")
		}
		out[key] = v
	}
	return out
}

func parseVolume(p *problems, at, key string, value any, v *volume) {
	f, ok := newFields(p, at, value)
	if !ok {
		return
	}
	checkKeys(p, at, f.tree, volumeKeys)
	options, _ := f.get("driver_opts")
	if driver := f.text("driver"); driver != "local" {
		v.driver = mapWord(p, join(at, "driver"), driver)
	}
	for name, value := range asMap(options) {
		if v.options == nil {
			v.options = map[string]string{}
		}
		v.options[name] = scalar(value)
	}
	external := f.yes("external")
	if external {
		v.name = key
	}
	if stated := f.text("name"); stated != "" {
		v.name = stated
	}
	if external && (v.driver != "" || v.options != nil) {
		p.invalid(at, "is external: somebody else has made it").WithHint("leave out driver and driver_opts, or external")
	}
}

func asMap(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

// scalar writes a value as text, as engines take options.
func scalar(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// mountOptions are those of a short mount that are carried out, or without
// meaning on Linux.
var mountOptions = []string{"ro", "rw", "consistent", "cached", "delegated", "nocopy", "rshared", "rslave", "rprivate", "shared", "slave", "private"}

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

var propagations = []string{"rprivate", "private", "rshared", "shared", "rslave", "slave"}

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
		if v.Bind != nil && v.Bind.Propagation != "" {
			if m.Propagation = v.Bind.Propagation; !slices.Contains(propagations, m.Propagation) {
				p.invalid(join(at, "bind.propagation"), "%q is not supported", m.Propagation).WithHint("use %s", or(propagations))
			}
		}
		p.warn(at, "%s is the host's own path: every host that runs this must have it", m.Source)
	case fleet.MountVolume:
		if v.Volume != nil {
			m.NoCopy, m.Subpath = v.Volume.NoCopy, v.Volume.Subpath
			if m.Subpath != "" && (path.IsAbs(m.Subpath) || !cleanPath("/"+m.Subpath) || strings.HasPrefix(path.Clean(m.Subpath), "..")) {
				p.invalid(join(at, "volume.subpath"), "%q is not a path in the volume", m.Subpath)
			}
		}
		if v.Source == "" {
			break
		}
		declared, ok := volumes[v.Source]
		if !ok {
			p.invalid(join(at, "source"), "volume %q is not declared", v.Source).WithHint("add %s: under the top-level volumes", v.Source)
			return m, false
		}
		m.Source, m.Driver, m.DriverOptions = declared.name, declared.driver, declared.options
	case fleet.MountTmpfs:
		if v.Source != "" {
			p.invalid(join(at, "source"), "has no meaning for tmpfs").WithHint("leave it out")
		}
		if v.Tmpfs != nil {
			m.Size, m.Mode = int64(v.Tmpfs.Size), fleet.FileMode(v.Tmpfs.Mode)
			if v.Tmpfs.Mode > 0o7777 {
				p.invalid(join(at, "tmpfs.mode"), "must be from 0000 to 7777, not %#o", v.Tmpfs.Mode)
			}
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
