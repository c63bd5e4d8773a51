package export

import (
	"regexp"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// router is one of Traefik's: which requests go to a service.
type router struct {
	Rule     string    `json:"rule"`
	Service  string    `json:"service"`
	Priority int       `json:"priority"`
	TLS      *struct{} `json:"tls,omitempty"`
}

// routers are there for host names and paths. Which entry point stands for a port only
// Traefik's operator knows: a route without either has no router.
func routers(service string, route fleet.Route) (out []router) {
	open, secure := false, false
	for _, port := range route.Listen {
		if route.Routed(port) {
			has := len(route.Certificates[port]) > 0
			open, secure = open || !has, secure || has
		}
	}
	for _, host := range orAny(route.Hosts) {
		for _, path := range orAny(route.Paths) {
			if !plain(host + path) {
				continue // nothing that could be written
			}
			r := router{Rule: rule(host, path), Service: service, Priority: priority(host, path)}
			if open {
				out = append(out, r)
			}
			if secure {
				r.TLS = &struct{}{}
				out = append(out, r)
			}
		}
	}
	return out
}

func orAny(list []string) []string {
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// rule is in the language of Traefik 3. A path means itself and what is below it.
func rule(host, path string) string {
	var parts []string
	if below, wild := strings.CutPrefix(host, "*."); wild {
		parts = append(parts, "HostRegexp(`^.+\\."+regexp.QuoteMeta(below)+"$`)")
	} else if host != "" {
		parts = append(parts, "Host(`"+host+"`)")
	}
	switch trimmed := strings.TrimRight(path, "/"); {
	case path == "":
	case trimmed == "":
		parts = append(parts, "PathPrefix(`/`)")
	default:
		parts = append(parts, "(Path(`"+trimmed+"`) || PathPrefix(`"+trimmed+"/`))")
	}
	return strings.Join(parts, " && ")
}

// priority has an exact name come before a wildcard, the longer wildcard before the
// shorter, that before any name; then the longer path first.
func priority(host, path string) int {
	const longer = 10000 // than a path
	rank := 0
	switch {
	case strings.HasPrefix(host, "*."):
		rank = len(host)
	case host != "":
		rank = 1000 // longer than a name can be
	}
	return rank*longer + len(path) + 1
}
