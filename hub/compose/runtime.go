package compose

import (
	"maps"
	"net/netip"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

var (
	hostName   = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$`)
	capability = regexp.MustCompile(`^[A-Z][A-Z_]{1,40}$`)
	sysctlName = regexp.MustCompile(`^[a-zA-Z0-9_.*/-]{1,255}$`)
	logDriver  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_./:-]{0,127}$`)
	wordOf     = regexp.MustCompile(`^[^\s\x00-\x1f\x7f]{1,1000}$`)
)

// mapRuntime reads how a service's containers run; nil: as engines do by default.
func mapRuntime(p *problems, at string, s *types.ServiceConfig) *fleet.Runtime {
	r := &fleet.Runtime{
		WorkingDir:  mapDir(p, join(at, "working_dir"), s.WorkingDir),
		Hostname:    mapHostname(p, join(at, "hostname"), s.Hostname),
		Domainname:  mapHostname(p, join(at, "domainname"), s.DomainName),
		Init:        s.Init,
		TTY:         s.Tty,
		StdinOpen:   s.StdinOpen,
		Annotations: mapLabels(p, join(at, "annotations"), types.Labels(s.Annotations)),
		OCI:         mapWord(p, join(at, "runtime"), s.Runtime),
		ReadOnly:    s.ReadOnly,
		Privileged:  s.Privileged,
		CapAdd:      mapCapabilities(p, join(at, "cap_add"), s.CapAdd),
		CapDrop:     mapCapabilities(p, join(at, "cap_drop"), s.CapDrop),
		SecurityOpt: mapSecurityOpt(p, join(at, "security_opt"), s.SecurityOpt),
		GroupAdd:    mapWords(p, join(at, "group_add"), s.GroupAdd),
		Sysctls:     mapSysctls(p, join(at, "sysctls"), s.Sysctls),
		Tmpfs:       mapTmpfs(p, join(at, "tmpfs"), s.Tmpfs),
		ShmSize:     memory(p, join(at, "shm_size"), int64(s.ShmSize)),
		Storage:     clone(s.StorageOpt),
		ExtraHosts:  mapExtraHosts(p, join(at, "extra_hosts"), s.ExtraHosts),
		DNS:         mapAddresses(p, join(at, "dns"), s.DNS),
		DNSSearch:   mapWords(p, join(at, "dns_search"), s.DNSSearch),
		DNSOptions:  mapWords(p, join(at, "dns_opt"), s.DNSOpts),
		Logging:     mapLogging(p, join(at, "logging"), s.Logging),
	}
	mapNamespaces(p, at, s, r)
	mapDevices(p, at, s, r)
	mapLimits(p, at, s, r)
	if reflect.DeepEqual(*r, fleet.Runtime{}) {
		return nil
	}
	return r
}

func clone(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}

func mapDir(p *problems, at, dir string) string {
	if dir == "" {
		return ""
	}
	if !cleanPath(dir) {
		p.invalid(at, "%q is not an absolute path in the container", dir)
	}
	return path.Clean(dir)
}

func mapHostname(p *problems, at, name string) string {
	switch {
	case strings.Contains(name, "{{"):
		p.invalid(at, "%q is a template of Swarm's", name).WithHint("leave it out: containers have MUSTER_HOST and MUSTER_SLOT in their environment")
	case name != "" && !hostName.MatchString(name):
		p.invalid(at, "%q is not a host name", name)
	}
	return name
}

func mapWord(p *problems, at, word string) string {
	if word != "" && !wordOf.MatchString(word) {
		p.invalid(at, "%q is not one word", word)
	}
	return word
}

func mapWords(p *problems, at string, words []string) (out []string) {
	for i, word := range words {
		if !wordOf.MatchString(word) {
			p.invalid(index(at, i), "%q is not one word", word)
		}
		out = append(out, word)
	}
	return out
}

// mapCapabilities writes capabilities as engines do, without CAP_.
func mapCapabilities(p *problems, at string, names []string) (out []string) {
	for i, name := range names {
		short := strings.TrimPrefix(strings.ToUpper(name), "CAP_")
		if !capability.MatchString(short) {
			p.invalid(index(at, i), "%q is not a capability", name).WithHint("write it like NET_ADMIN, or ALL")
		}
		out = append(out, short)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mapSecurityOpt writes options with '=', as engines want them. What the docker
// command reads from files or makes of them itself isn't there on hosts.
func mapSecurityOpt(p *problems, at string, options []string) (out []string) {
	for i, option := range options {
		name, value, stated := strings.Cut(option, "=")
		if key, rest, colon := strings.Cut(option, ":"); !stated && colon {
			name, value, stated = key, rest, true
		}
		known := slices.Contains([]string{"no-new-privileges", "apparmor", "label", "seccomp"}, name)
		switch {
		case !known || !stated && name != "no-new-privileges" || stated && !wordOf.MatchString(value):
			p.invalid(index(at, i), "%q is not supported", option).WithHint("use no-new-privileges, apparmor=…, label=… or seccomp=unconfined")
		case name == "seccomp" && value != "unconfined" && value != "builtin":
			p.invalid(index(at, i), "a profile in a file isn't on the hosts").WithHint("use seccomp=unconfined, or leave it out for the engine's own")
		case stated:
			option = name + "=" + value
		}
		out = append(out, option)
	}
	return out
}

func mapSysctls(p *problems, at string, values types.Mapping) map[string]string {
	for _, name := range sortedKeys(values) {
		if !sysctlName.MatchString(name) {
			p.invalid(at, "%q is not a name of a sysctl", name)
		}
	}
	return clone(values)
}

// mapTmpfs reads "/path" and "/path:options".
func mapTmpfs(p *problems, at string, entries []string) map[string]string {
	out := map[string]string{}
	for i, entry := range entries {
		target, options, _ := strings.Cut(entry, ":")
		if !cleanPath(target) || path.Clean(target) == "/" {
			p.invalid(index(at, i), "%q is not an absolute path in the container", target)
		}
		out[path.Clean(target)] = options
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func mapExtraHosts(p *problems, at string, hosts types.HostsList) map[string][]string {
	out := map[string][]string{}
	for _, name := range sortedKeys(hosts) {
		if !hostName.MatchString(name) {
			p.invalid(at, "%q is not a host name", name)
		}
		for _, address := range hosts[name] {
			if address != "host-gateway" {
				address = mapAddress(p, join(at, name), strings.Trim(address, "[]"))
			}
			out[name] = append(out[name], address)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func mapAddress(p *problems, at, address string) string {
	if _, err := netip.ParseAddr(address); err != nil {
		p.invalid(at, "%q is not an IP address", address)
	}
	return address
}

func mapAddresses(p *problems, at string, addresses []string) (out []string) {
	for i, address := range addresses {
		out = append(out, mapAddress(p, index(at, i), address))
	}
	return out
}

// mapLogging leaves the options to the driver, which its host's engine knows.
func mapLogging(p *problems, at string, l *types.LoggingConfig) *fleet.Logging {
	if l == nil || l.Driver == "" && len(l.Options) == 0 {
		return nil
	}
	if l.Driver != "" && !logDriver.MatchString(l.Driver) {
		p.invalid(join(at, "driver"), "%q is not a driver", l.Driver).WithHint("use local, json-file, journald, syslog, none, or what the hosts' engines know")
	}
	return &fleet.Logging{Driver: l.Driver, Options: clone(l.Options)}
}
