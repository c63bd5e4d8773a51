package main

import (
	"context"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// serviceKey reads SERVICE: project/name, or a name that only one project has.
func (s *session) serviceKey(ctx context.Context, arg string) (fleet.ServiceKey, error) {
	if strings.Contains(arg, "/") {
		return fleet.ParseServiceKey(arg)
	}
	found, err := s.servicesNamed(ctx, arg)
	if err != nil {
		return fleet.ServiceKey{}, err
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return fleet.ServiceKey{}, fleet.NotFound("there is no service %q", arg).WithHint("see muster services")
	}
	return fleet.ServiceKey{}, ambiguous(arg, found)
}

func (s *session) servicesNamed(ctx context.Context, name string) ([]fleet.ServiceKey, error) {
	services, err := s.hub.Services(ctx, "")
	if err != nil {
		return nil, err
	}
	var found []fleet.ServiceKey
	for _, view := range services.Items {
		if view.Key.Name == name {
			found = append(found, view.Key)
		}
	}
	return found, nil
}

func ambiguous(name string, found []fleet.ServiceKey) error {
	var names []string
	for _, key := range found {
		names = append(names, key.String())
	}
	return fleet.Invalid("", "%q may mean %s", name, strings.Join(names, " or ")).WithHint("name the project too: %s", names[0])
}

// target is a service or a host.
type target struct {
	service fleet.ServiceKey
	host    string
}

// serviceOrHost reads SERVICE or HOST; "host:" before a name says that it is
// a host's.
func (s *session) serviceOrHost(ctx context.Context, arg string) (target, error) {
	if host, ok := strings.CutPrefix(arg, "host:"); ok {
		return target{host: host}, nil
	}
	if strings.Contains(arg, "/") {
		key, err := fleet.ParseServiceKey(arg)
		return target{service: key}, err
	}
	found, err := s.servicesNamed(ctx, arg)
	if err != nil {
		return target{}, err
	}
	hosts, err := s.hub.Hosts(ctx)
	if err != nil {
		return target{}, err
	}
	for _, host := range hosts.Items {
		if host.ID != arg {
			continue
		}
		if len(found) > 0 {
			return target{}, fleet.Invalid("", "%q is a service's name and a host's", arg).WithHint("write host:%s or %s", arg, found[0])
		}
		return target{host: arg}, nil
	}
	switch len(found) {
	case 1:
		return target{service: found[0]}, nil
	case 0:
		return target{}, fleet.NotFound("there is neither a service nor a host %q", arg).WithHint("see muster services and muster hosts")
	}
	return target{}, ambiguous(arg, found)
}
