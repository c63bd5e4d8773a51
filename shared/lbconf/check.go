package lbconf

import (
	"regexp"
	"slices"

	"github.com/musterhq/muster/shared/fleet"
)

const maxCheckPath = 1024 // bytes

var checkPath = regexp.MustCompile(`^/[A-Za-z0-9._~!&()*+,;=:@%/?-]*$`)

// validate refuses whatever could not be rendered or could change the meaning
// of the file.
func validate(pools []fleet.Pool) error {
	for i, pool := range pools {
		if i > 0 && !pools[i-1].Service.Less(pool.Service) {
			return fleet.Invalid("pools", "%s is out of order or there twice", pool.Service)
		}
		if _, err := fleet.ParseServiceKey(pool.Service.String()); err != nil {
			return err
		}
		if pool.Removed {
			continue
		}
		if err := ValidatePool(pool); err != nil {
			return err
		}
	}
	_, err := Listeners(pools)
	return err
}

// ValidatePool refuses a pool that could not be rendered, whatever the others
// are. An endpoint without a port for some route is fine: see OnRoute.
func ValidatePool(pool fleet.Pool) error {
	path := pool.Service.String()
	targets := map[int]bool{}
	for _, route := range pool.Routes {
		if targets[route.Target] {
			return fleet.Invalid(path, "the container port %d has two routes", route.Target)
		}
		targets[route.Target] = true
		switch route.Protocol {
		case fleet.ProtocolHTTP, fleet.ProtocolTCP, fleet.ProtocolGRPC:
		default:
			return fleet.Invalid(path, "%q is not a protocol: use http, grpc or tcp", route.Protocol)
		}
		for _, port := range append([]int{route.Target}, route.Listen...) {
			if !isPort(port) {
				return fleet.Invalid(path, "%d is not a port", port)
			}
		}
		if err := validateRoute(path, &route); err != nil {
			return err
		}
	}
	switch pool.Check.Type {
	case "", fleet.ProbeTCP:
	case fleet.ProbeHTTP:
		if pool.Check.Path != "" && (len(pool.Check.Path) > maxCheckPath || !checkPath.MatchString(pool.Check.Path)) {
			return fleet.Invalid(path, "%q is not a path for a check", pool.Check.Path).
				WithHint("begin it with '/' and percent-encode blanks, quotes and '#'")
		}
	default:
		return fleet.Invalid(path, "%q is not a check: use http or tcp", pool.Check.Type)
	}
	if pool.Check.Interval < 0 || pool.Check.Timeout < 0 || pool.Check.Rise < 0 || pool.Check.Fall < 0 || pool.DrainTimeout < 0 {
		return fleet.Invalid(path, "a check's times and counts and the drain timeout can't be negative")
	}
	_, problem := Sound(pool)
	return problem
}

// certified refuses pools that ask for a certificate that isn't there.
func certified(pools []fleet.Pool, certificates map[string]string) error {
	for i := range pools {
		for _, name := range CertificatesOf(pools[i]) {
			if certificates[name] == "" {
				return fleet.Invalid(pools[i].Service.String(), "this host has no certificate %q that can be used", name)
			}
		}
	}
	return nil
}

// CertificatesOf are the names of all certificates that a pool asks for, sorted.
func CertificatesOf(pool fleet.Pool) (names []string) {
	if pool.Removed {
		return nil
	}
	for _, route := range pool.Routes {
		for _, asked := range route.Certificates {
			names = append(names, asked...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func isPort(port int) bool { return port >= 1 && port <= 65535 }
