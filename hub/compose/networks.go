package compose

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/shared/fleet"
)

// bridgeOption is what an option of a bridge begins with.
const bridgeOption = "com.docker.network."

// enginesOwn are networks that each engine has, or has meanings for.
var enginesOwn = []string{"bridge", "default", fleet.NetworkHost, fleet.NetworkNone}

// declared is a network of the document's top level.
type declared struct {
	fleet.Network
	mode string // of the engine's own, which is no bridge: NetworkHost or NetworkNone
}

func parseNetworks(p *problems, project string, value any) map[string]declared {
	tree := namesOf(p, "networks", value)
	out := make(map[string]declared, len(tree))
	for _, key := range sortedKeys(tree) {
		n := declared{Network: fleet.Network{Name: projectOr(project) + "_" + key}}
		if tree[key] != nil {
			parseNetwork(p, join("networks", key), key, tree[key], &n)
		}
		if !volumeName.MatchString(n.Name) {
			p.invalid(join("networks", key), "%q is not a name of a network", n.Name).WithHint("use letters, digits, '.', '_' and '-'")
		}
		out[key] = n
	}
	return out
}

func parseNetwork(p *problems, at, key string, value any, n *declared) {
	f, ok := newFields(p, at, value)
	if !ok {
		return
	}
	checkKeys(p, at, f.tree, networkKeys)
	driver := f.text("driver")
	n.Internal, n.IPv6 = f.yes("internal"), f.yes("enable_ipv6")
	if n.External = f.yes("external"); n.External {
		n.Name = key
	}
	if name := f.text("name"); name != "" {
		n.Name = name
	}
	if n.External {
		n.Internal, n.IPv6 = false, false // as they are
		switch n.Name {
		case fleet.NetworkHost, fleet.NetworkNone:
			n.mode = n.Name
		case "bridge":
			p.invalid(at, "the engine's own bridge is where containers are anyway").WithHint("leave out the networks, or use one of the project's")
		}
		return
	}
	if slices.Contains(enginesOwn, n.Name) {
		p.invalid(join(at, "name"), "%s is the engine's own", n.Name).WithHint("give it another name; containers on their host's own network have network_mode: host")
	}
	switch driver {
	case "", "bridge", "default":
		n.Options = bridgeOptions(p, at, f)
	case "overlay":
		p.warn(join(at, "driver"), "overlay becomes a bridge on each host: %s", perHost)
	case fleet.NetworkHost, fleet.NetworkNone:
		n.mode = driver
	default:
		p.invalid(join(at, "driver"), "%q is not supported", driver).WithHint("use bridge, or make the network on the hosts and use it by external: true")
	}
}

func bridgeOptions(p *problems, at string, f *fields) map[string]string {
	value, _ := f.get("driver_opts")
	tree := asMap(value)
	out := map[string]string{}
	for _, option := range sortedKeys(tree) {
		if !strings.HasPrefix(option, bridgeOption) {
			p.invalid(join(join(at, "driver_opts"), option), "is not an option of bridges").WithHint("they begin with %s", bridgeOption)
		}
		out[option] = scalar(tree[option])
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// mapNetworks reads which networks a service's containers are on. Where the document
// says something of a network called default, those that name none are on that one.
func mapNetworks(p *problems, doc *document, path, name string, s *types.ServiceConfig, spec *fleet.Spec) {
	at := join(path, "networks")
	mode, attached := mapNetworkMode(p, join(path, "network_mode"), s.NetworkMode), s.NetworksByPriority()
	_, standard := doc.networks["default"]
	switch {
	case s.NetworkMode != "" && len(attached) > 0:
		p.invalid(join(path, "network_mode"), "contradicts networks").WithHint("state one of them")
		return
	case s.NetworkMode != "":
		spec.NetworkMode = mode
		return
	case len(attached) == 0 && standard:
		attached = []string{"default"}
	}
	for _, key := range attached {
		n, ok := doc.networks[key]
		if !ok && key != "default" {
			p.invalid(join(at, key), "network %q is not declared", key).WithHint("add %s: under the top-level networks", key)
			continue
		}
		if !ok {
			n.Name = projectOr(doc.name) + "_default"
		}
		if n.mode != "" {
			if len(attached) > 1 {
				p.invalid(join(at, key), "is the engine's network %s, which can't be beside others", n.mode)
			}
			spec.NetworkMode = n.mode
			return
		}
		n.Aliases = aliases(p, join(at, key), name, s.Networks[key])
		spec.Networks = append(spec.Networks, n.Network)
		if !n.External {
			p.warn("networks", "%s", perHost)
		}
	}
	if len(spec.Networks) > maxNetworks {
		p.invalid(at, "%d networks; the limit is %d", len(spec.Networks), maxNetworks)
	}
}

const maxNetworks = 32 // of one service

// aliases are a service's names on a network, its own among them.
func aliases(p *problems, at, name string, n *types.ServiceNetworkConfig) (out []string) {
	if n.ServiceNameAliasEnabled() {
		out = append(out, name)
	}
	if n == nil {
		return out
	}
	for i, alias := range n.Aliases {
		if !hostName.MatchString(alias) && !wordOf.MatchString(alias) {
			p.invalid(index(join(at, "aliases"), i), "%q is not a name", alias)
		}
		out = append(out, alias)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func mapNetworkMode(p *problems, at, mode string) string {
	switch mode {
	case fleet.NetworkHost, fleet.NetworkNone:
		return mode
	case "", "bridge", "default":
		return ""
	}
	refuseMode(p, at, mode, []string{fleet.NetworkHost, fleet.NetworkNone, "bridge"})
	return ""
}

// settleNetworks fits what is published to the network that containers are on: on
// the host's own, each port that others are to reach is that port of the host.
func settleNetworks(p *problems, path string, spec *fleet.Spec) {
	internal := len(spec.Networks) > 0
	for _, n := range spec.Networks {
		internal = internal && n.Internal
	}
	switch {
	case len(spec.Publish) == 0:
	case spec.NetworkMode == fleet.NetworkNone:
		p.invalid(join(path, "network_mode"), "nobody reaches its ports in the network none").WithHint("leave out ports, x-lb and x-probe, or network_mode")
	case internal:
		p.invalid(join(path, "networks"), "nobody reaches its ports: each of its networks is internal").WithHint("put it on another network, too, or leave out ports, x-lb and x-probe")
	case spec.OnHost():
		for i := range spec.Publish {
			port := &spec.Publish[i]
			if port.HostPort != 0 && port.HostPort != port.Target {
				p.invalid(join(path, "ports"), "container port %d can't be port %d of the host in network_mode host", port.Target, port.HostPort).
					WithHint("publish it by its own number")
			}
			port.HostPort = port.Target
		}
	}
}
