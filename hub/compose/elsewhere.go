package compose

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// mapPullPolicy reads when a registry is asked. A version's image is what it was first
// found to be, so that a policy by time comes to "always".
func mapPullPolicy(p *problems, at, policy string) string {
	switch policy {
	case "", "missing", "if_not_present":
		return ""
	case fleet.PullAlways, fleet.PullNever:
		return policy
	case "build":
		p.invalid(at, "hosts run images, they don't build them").WithHint("build and push the image, and leave it out")
		return ""
	}
	p.warn(at, "%s means always: the registry is asked when a version is new, and the version stays what it was then", policy)
	return fleet.PullAlways
}

// architectures are Go's names of what images call otherwise.
var architectures = map[string]string{"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm", "i386": "386"}

func architecture(name string) string {
	if known, ok := architectures[name]; ok {
		return known
	}
	return name
}

// mapPlatform keeps a service off hosts that its image isn't made for.
func mapPlatform(p *problems, at, platform string, service *fleet.Service) {
	if platform == "" {
		return
	}
	parts := strings.Split(strings.ToLower(platform), "/")
	if len(parts) > 3 || slices.ContainsFunc(parts, func(part string) bool { return !wordOf.MatchString(part) }) {
		p.invalid(at, "%q is not a platform", platform).WithHint("write it like linux/amd64")
		return
	}
	if len(parts) == 1 && parts[0] != "linux" && parts[0] != "windows" {
		parts = []string{"", parts[0]} // an architecture alone
	}
	if parts[0] != "" {
		service.Constraints = append(service.Constraints, fleet.Constraint{Label: fleet.LabelOS, Equal: true, Value: parts[0]})
	}
	if len(parts) > 1 {
		service.Constraints = append(service.Constraints, fleet.Constraint{Label: fleet.LabelArchitecture, Equal: true, Value: architecture(parts[1])})
	}
	service.Constraints = sortedConstraints(service.Constraints)
}

// checkLinks: services of a project are known by their names, and by no others.
func checkLinks(p *problems, doc *document, at string, links []string) {
	for i, link := range links {
		name, alias, _ := strings.Cut(link, ":")
		switch _, there := doc.services[name]; {
		case !there:
			p.invalid(index(at, i), "there is no service %s in this file", name)
		case alias != "" && alias != name:
			p.invalid(index(at, i), "%s is known by its own name only", name).WithHint("call it %s, or give it %s among the aliases of a network, where both are on one host", name, alias)
		}
	}
}

func checkEndpointMode(p *problems, at, mode string) {
	switch mode {
	case "", "vip":
	case "dnsrr":
		p.warn(at, "ignored: services are reached through the balancers")
	default:
		p.invalid(at, "%q is not supported", mode).WithHint("leave it out: services are reached through the balancers")
	}
}
