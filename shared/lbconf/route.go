package lbconf

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of what a route may ask for.
const (
	MaxHosts        = 32 // of a route
	MaxPaths        = 32
	MaxCertificates = 16                 // of a port
	MaxTimeout      = 7 * 24 * time.Hour // longest of Timeouts
	maxHost         = 253                // bytes
	maxPath         = 256                // bytes
)

var (
	hostName        = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	pathName        = regexp.MustCompile(`^(/[A-Za-z0-9._~+@:-]+)+$`)
	certificateName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
)

// IsHost says whether a text is a host name that a route may have: lower case, with
// "*." for all below it.
func IsHost(text string) bool { return len(text) <= maxHost && hostName.MatchString(text) }

// IsPath says whether a text is a path that a route may have: "/" and segments that
// need no encoding, without a slash at the end.
func IsPath(text string) bool {
	return len(text) <= maxPath && pathName.MatchString(text) && !strings.Contains(text+"/", "/./") && !strings.Contains(text+"/", "/../")
}

// IsCertificate says whether a text can be the name of a certificate.
func IsCertificate(text string) bool { return certificateName.MatchString(text) }

// validateRoute refuses what no balancer could be told.
func validateRoute(path string, route *fleet.Route) error {
	web := route.Protocol != fleet.ProtocolTCP
	switch {
	case !web && len(route.Hosts)+len(route.Paths) > 0:
		return fleet.Invalid(path, "a route of tcp has no host names and paths")
	case route.Sticky && route.Protocol != fleet.ProtocolHTTP:
		return fleet.Invalid(path, "a route of %s has no cookies to be sticky by", route.Protocol)
	case route.SendProxy && web:
		return fleet.Invalid(path, "a route of %s doesn't speak the PROXY protocol to endpoints: they are told the client's address by X-Forwarded-For", route.Protocol)
	case len(route.Hosts) > MaxHosts || len(route.Paths) > MaxPaths:
		return fleet.Invalid(path, "a route has at most %d host names and %d paths", MaxHosts, MaxPaths)
	case len(route.Named) > 0 && len(route.Hosts)+len(route.Paths) == 0:
		return fleet.Invalid(path, "a port is for a name alone, and there are no host names and paths")
	}
	switch route.Algorithm {
	case "", fleet.AlgorithmLeastConn, fleet.AlgorithmSource:
	default:
		return fleet.Invalid(path, "%q is not an algorithm: use leastconn or source, or none", route.Algorithm)
	}
	if err := validateNames(path, route); err != nil {
		return err
	}
	if t := route.Timeouts; t != nil {
		for _, d := range []fleet.Duration{t.Connect, t.Request, t.Idle, t.Tunnel} {
			if d < 0 || d.D() > MaxTimeout {
				return fleet.Invalid(path, "a timeout of %s is not within 0 and %s", d, MaxTimeout)
			}
		}
	}
	for _, driver := range slices.Sorted(maps.Keys(route.Snippets)) {
		if err := CheckSnippet(driver, route.Snippets[driver]); err != nil {
			return fleet.Invalid(path, "%s", err)
		}
	}
	return nil
}

// validateNames looks at the lists of a route.
func validateNames(path string, route *fleet.Route) error {
	for _, list := range [][]string{route.Hosts, route.Paths} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			return fleet.Invalid(path, "%v is not sorted, or has something twice", list)
		}
	}
	for _, host := range route.Hosts {
		if !IsHost(host) {
			return fleet.Invalid(path, "%q is not a host name", host)
		}
	}
	for _, prefix := range route.Paths {
		if !IsPath(prefix) {
			return fleet.Invalid(path, "%q is not a path's beginning", prefix)
		}
	}
	secured := slices.Sorted(maps.Keys(route.Certificates))
	for _, port := range slices.Concat(route.Named, secured, route.AcceptProxy) {
		if !slices.Contains(route.Listen, port) {
			return fleet.Invalid(path, "nothing listens on port %d", port)
		}
	}
	for _, port := range secured {
		names := route.Certificates[port]
		if len(names) == 0 || len(names) > MaxCertificates {
			return fleet.Invalid(path, "port %d has %d certificates; 1 to %d are possible", port, len(names), MaxCertificates)
		}
		for _, name := range names {
			if !IsCertificate(name) {
				return fleet.Invalid(path, "%q is not a certificate's name", name)
			}
		}
	}
	return nil
}
