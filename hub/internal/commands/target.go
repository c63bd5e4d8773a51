package commands

import (
	"cmp"
	"context"
	"strings"

	"github.com/musterhq/muster/hub/orders"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// target is whom a command is about: a host, or a service.
type target struct {
	host    string
	service fleet.ServiceKey
}

func (t target) kind() orders.About {
	if t.host == "" {
		return orders.Service
	}
	return orders.Host
}

// String is the target as people write it.
func (t target) String() string {
	if t.service.IsZero() {
		return t.host
	}
	return t.service.String()
}

func (t target) subject() string {
	switch {
	case t.host != "":
		return "hosts/" + t.host
	case !t.service.IsZero():
		return "services/" + t.service.String()
	}
	return ""
}

// result is the topic on which it is told what became of a command.
func (t target) result(id string) string {
	if t.host != "" {
		return wire.HostResult(t.host, id)
	}
	return wire.ServiceResult(t.service, id)
}

// targetOf reads whom a command is about that came without a topic.
func (d *Dispatcher) targetOf(ctx context.Context, about string) (target, error) {
	if host, ok := strings.CutPrefix(about, "host:"); ok {
		return target{host: host}, fleet.ValidateHost(host)
	}
	if strings.Contains(about, "/") {
		key, err := fleet.ParseServiceKey(about)
		return target{service: key}, err
	}
	var found []fleet.ServiceKey
	var isHost bool
	err := d.read(ctx, func(v View) {
		_, isHost = v.Host(about)
		found = named(v, about)
	})
	switch {
	case err != nil:
		return target{}, err
	case isHost && len(found) > 0:
		return target{}, fleet.Invalid("target", "%q is a service's name and a host's", about).WithHint("write host:%s or %s", about, found[0])
	case isHost:
		return target{host: about}, nil
	case len(found) == 0:
		return target{}, fleet.NotFound("there is neither a service nor a host %.100q", about).WithHint("see muster services and muster hosts")
	case len(found) > 1:
		return target{}, ambiguous(about, found)
	}
	return target{service: found[0]}, nil
}

// named are the services of that name, of every project.
func named(v View, name string) (found []fleet.ServiceKey) {
	for _, s := range v.Services("") {
		if s.Key.Name == name {
			found = append(found, s.Key)
		}
	}
	return found
}

func ambiguous(name string, found []fleet.ServiceKey) error {
	var names []string
	for _, key := range found[:min(len(found), 10)] {
		names = append(names, key.String())
	}
	return fleet.Invalid("service", "%q may mean %s", name, strings.Join(names, " or ")).WithHint("name the project too: %s", names[0])
}

// subjects are what an order is about, found in the fleet.
type subjects struct {
	host    fleet.HostView    // zero: the command is about a service
	service fleet.ServiceView // zero: it is about a host as a whole
	// instances are the service's on the host.
	instances []fleet.InstanceView
}

// find looks up what an order names.
func (d *Dispatcher) find(ctx context.Context, about target, order orders.Order) (subjects, error) {
	var out subjects
	var wrong error
	err := d.read(ctx, func(v View) {
		var known bool
		key := about.service
		if about.host != "" {
			if out.host, known = v.Host(about.host); !known {
				wrong = fleet.NotFound("there is no host %q", about.host).WithHint("muster hosts lists them")
				return
			}
			if key, wrong = keyOf(v, about.host, order.Service); wrong != nil || key.IsZero() {
				return
			}
		}
		if out.service, known = v.Service(key); !known {
			wrong = fleet.NotFound("there is no service %s", key).WithHint("muster services lists them")
			return
		}
		if about.host != "" {
			out.instances = v.Instances(key, about.host)
		}
	})
	return out, cmp.Or(err, wrong)
}

// keyOf is the service that somebody means by a name on a host: one that the host
// has, else one that there is anywhere.
func keyOf(v View, host, name string) (fleet.ServiceKey, error) {
	if name == "" {
		return fleet.ServiceKey{}, nil
	}
	if strings.Contains(name, "/") {
		return fleet.ParseServiceKey(name)
	}
	var here []fleet.ServiceKey
	for _, in := range v.Instances(fleet.ServiceKey{}, host) {
		if in.Service.Name == name && (len(here) == 0 || here[len(here)-1] != in.Service) {
			here = append(here, in.Service)
		}
	}
	if len(here) == 0 {
		here = named(v, name)
	}
	switch len(here) {
	case 0:
		return fleet.ServiceKey{}, fleet.NotFound("there is no service %q", name).WithHint("muster services lists them")
	case 1:
		return here[0], nil
	}
	return fleet.ServiceKey{}, ambiguous(name, here)
}

func (d *Dispatcher) read(ctx context.Context, fn func(View)) error {
	ctx, cancel := context.WithTimeout(ctx, d.limits.OrderTime)
	defer cancel()
	return d.options.Fleet.Read(ctx, fn)
}
