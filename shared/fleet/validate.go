package fleet

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// Bounds of what an agent may send. They are far above what a correct agent
// does send, and keep what the hub stores and shows within reason.
const (
	maxName       = 256     // bytes of a name, an id, a version
	MaxReason     = 4 << 10 // bytes of a reason or a problem; see Clip
	MaxMessage    = 8 << 10 // bytes of an event's message; see Clip
	maxMachine    = 128     // bytes of a machine's id
	maxLabels     = 256     // labels of one thing
	maxLabel      = 1 << 10 // bytes of a label's value
	maxAddresses  = 256     // of a host
	maxResources  = 64      // kinds that a host has
	maxFeatures   = 256     // of an agent
	maxBalancers  = 16      // on a host
	maxPools      = 5000    // on a balancer
	maxEndpoints  = 10_000  // in a pool
	maxInstances  = 2000    // on a host
	maxPorts      = 65535   // that others listen on
	maxPublished  = 1000    // ports of an instance
	maxRefused    = 5000    // versions that an agent can't run
	maxPrepared   = 5000    // versions whose image an agent is to have
	maxImages     = 10_000  // of a host
	maxEvents     = 1000    // in a batch
	maxDetail     = 8 << 10 // bytes of an event's detail
	maxEventFirst = 1 << 62 // numbers of events never wrap
	latestYear    = 9000    // of a time: later ones can't be written in every zone
	maxPort       = 1<<16 - 1
)

var (
	instanceName = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)
	askName      = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	driverName   = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	eventName    = regexp.MustCompile(`^muster\.[a-z.-]{1,64}$`)
)

// first returns the first error, as an error that is nil when there is none.
func first(errs ...*Error) error {
	if err := firstOf(errs...); err != nil {
		return err
	}
	return nil
}

func firstOf(errs ...*Error) *Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// within puts an error's path below another; nil stays nil.
func within(path string, err *Error) *Error {
	if err != nil {
		err.Path = path + "." + err.Path
	}
	return err
}

// each checks the items of a list of at most most.
func each[T any](path string, most int, items []T, check func(*T) *Error) *Error {
	if len(items) > most {
		return Invalid(path, "has %d entries, more than %d", len(items), most)
	}
	for i := range items {
		if err := check(&items[i]); err != nil {
			return within(fmt.Sprintf("%s[%d]", path, i), err)
		}
	}
	return nil
}

// unique refuses two items with the same key.
func unique[T any, K comparable](path string, items []T, key func(*T) K) *Error {
	seen := make(map[K]bool, len(items))
	for i := range items {
		k := key(&items[i])
		if seen[k] {
			return Invalid(path, "has %v twice", k)
		}
		seen[k] = true
	}
	return nil
}

// text bounds a text that may be empty.
func text(path, value string, most int) *Error {
	if len(value) > most {
		return Invalid(path, "has %d bytes, more than %d", len(value), most)
	}
	return nil
}

// name bounds a text that may not be empty.
func name(path, value string, most int) *Error {
	if value == "" {
		return Invalid(path, "is missing")
	}
	return text(path, value, most)
}

func matches(path, value string, pattern *regexp.Regexp, what string) *Error {
	if !pattern.MatchString(value) {
		return Invalid(path, "%.64q is not %s", value, what)
	}
	return nil
}

func oneOf(path, value string, known ...string) *Error {
	if !slices.Contains(known, value) {
		return Invalid(path, "%.64q is not known", value)
	}
	return nil
}

// reported takes one of the words that agents of this release report.
func reported(path, value string, known ...string) *Error {
	if err := oneOf(path, value, known...); err != nil {
		return err.WithHint("if the agent is of a later release than the hub, upgrade the hub")
	}
	return nil
}

// address takes an IP address, or nothing.
func address(path, value string) *Error {
	if value == "" {
		return nil
	}
	if _, err := netip.ParseAddr(value); err != nil || len(value) > maxName {
		return Invalid(path, "%.64q is not an IP address", value)
	}
	return nil
}

func port(path string, value int) *Error {
	if value < 1 || value > maxPort {
		return Invalid(path, "%d is not a port", value)
	}
	return nil
}

func notNegative[N int | int64 | float64](path string, value N) *Error {
	if !(value >= 0) {
		return Invalid(path, "is %v", value)
	}
	return nil
}

func labels(path string, values map[string]string) *Error {
	if len(values) > maxLabels {
		return Invalid(path, "has %d entries, more than %d", len(values), maxLabels)
	}
	for key, value := range values {
		if err := firstOf(name(path, key, maxName), text(path, value, maxLabel)); err != nil {
			return err
		}
	}
	return nil
}

// service takes a key that names something.
func service(path string, key ServiceKey) *Error {
	if ValidateProject(key.Project) != nil || ValidateServiceName(key.Name) != nil {
		return Invalid(path, "%.140q is not a service", key.String())
	}
	return nil
}

// when refuses times that can't be written down again in every zone.
func when(path string, t time.Time) *Error {
	if year := t.UTC().Year(); year < 1 || year > latestYear {
		return Invalid(path, "the year %d is out of range", year)
	}
	return nil
}
