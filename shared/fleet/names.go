package fleet

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	hostName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	serviceName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)
	kindName    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}$`)
)

// ServiceKey is the identity of a service: the project and the name in it.
// Its text form is "project/name".
type ServiceKey struct {
	Project string
	Name    string
}

// String returns "project/name".
func (k ServiceKey) String() string { return k.Project + "/" + k.Name }

// MarshalText makes the key usable as a JSON string and as a JSON object's
// key. A key that names nothing is the empty text.
func (k ServiceKey) MarshalText() ([]byte, error) {
	if k.IsZero() {
		return nil, nil
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads "project/name", or the empty text.
func (k *ServiceKey) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = ServiceKey{}
		return nil
	}
	parsed, err := ParseServiceKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// Less orders keys by project, then by name.
func (k ServiceKey) Less(other ServiceKey) bool {
	if k.Project != other.Project {
		return k.Project < other.Project
	}
	return k.Name < other.Name
}

// IsZero reports whether the key names nothing.
func (k ServiceKey) IsZero() bool { return k == ServiceKey{} }

// ParseServiceKey reads "project/name" and validates both parts.
func ParseServiceKey(text string) (ServiceKey, error) {
	project, name, found := strings.Cut(text, "/")
	if !found {
		return ServiceKey{}, Invalid("service", "%q is not of the form project/service", text)
	}
	if err := ValidateProject(project); err != nil {
		return ServiceKey{}, err
	}
	if err := ValidateServiceName(name); err != nil {
		return ServiceKey{}, err
	}
	return ServiceKey{Project: project, Name: name}, nil
}

// BalancerKey is the identity of a balancer: the host and its name there.
// Its text form is "host/name".
type BalancerKey struct {
	Host string
	Name string
}

// String returns "host/name".
func (k BalancerKey) String() string { return k.Host + "/" + k.Name }

// MarshalText makes the key usable as a JSON string and as a JSON object's key.
func (k BalancerKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads "host/name".
func (k *BalancerKey) UnmarshalText(text []byte) error {
	host, name, found := strings.Cut(string(text), "/")
	if !found || ValidateHost(host) != nil || ValidateHost(name) != nil {
		return Invalid("balancer", "%q is not of the form host/balancer", text)
	}
	*k = BalancerKey{Host: host, Name: name}
	return nil
}

// Less orders keys by host, then by name.
func (k BalancerKey) Less(other BalancerKey) bool {
	if k.Host != other.Host {
		return k.Host < other.Host
	}
	return k.Name < other.Name
}

// ValidateHost accepts host ids and balancer names: 1 to 63 of a-z, 0-9 and
// '-', not at either end.
func ValidateHost(id string) error {
	if !hostName.MatchString(id) {
		return Invalid("host", "%q is not a host id: use 1 to 63 of a-z, 0-9 and '-', not at either end", id)
	}
	return nil
}

// ValidateProject accepts what Compose accepts as a project's name.
func ValidateProject(name string) error {
	if !projectName.MatchString(name) {
		return Invalid("project", "%q is not a project name: use 1 to 63 of a-z, 0-9, '_' and '-', beginning with a letter or digit", name)
	}
	return nil
}

// ValidateServiceName accepts what Compose accepts as a service's name.
func ValidateServiceName(name string) error {
	if !serviceName.MatchString(name) {
		return Invalid("service", "%q is not a service name: use 1 to 63 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit", name)
	}
	return nil
}

// ContainerName is the name of the container of an instance.
func ContainerName(key ServiceKey, slot int, instance string) string {
	return fmt.Sprintf("muster-%s-%s-%d-%s", key.Project, key.Name, slot, instance)
}

// MaxResources is how many of one kind a host may have.
const MaxResources = 1_000_000

// ValidateResource refuses what can't be the kind of a resource and how many of it
// there are.
func ValidateResource(kind string, count int) error {
	switch {
	case !kindName.MatchString(kind):
		return Invalid("kind", "%.80q is not the kind of a resource", kind).WithHint("use 1 to 63 of a-z, A-Z, 0-9, '.', '_', '/' and '-', beginning with a letter or digit")
	case count < 1 || count > MaxResources:
		return Invalid("count", "%d is not a number from 1 to %d", count, MaxResources)
	}
	return nil
}
