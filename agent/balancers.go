package agent

import (
	"cmp"
	"context"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/internal/balancer/haproxy"
	"github.com/musterhq/muster/agent/internal/balancer/nginx"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/shared/fleet"
)

// BalancerOptions are those of a load balancer that the agent drives.
type BalancerOptions struct {
	Name    string // on this host
	Binary  string
	Dir     string   // its own; at most 72 bytes long; empty: its driver's name in the state directory
	Bind    []string // addresses to listen on; none: every IPv4 address
	Address string   // the IP address that others reach it at; empty: the host's advertised address
	Labels  map[string]string
	MaxConn int // HAProxy's in all, 0: what the limit of open files allows; of each of nginx's workers, 0: 16384
	Retries int // after a failed connection; 0: none
	// HardStop is the longest life of an old worker after a reload.
	HardStop time.Duration
}

// DefaultHAProxy returns the options of a HAProxy in production.
func DefaultHAProxy() BalancerOptions { return defaults(haproxy.DefaultOptions()) }

// DefaultNginx returns the options of a nginx in production.
func DefaultNginx() BalancerOptions { return defaults(nginx.DefaultOptions()) }

func defaults(d balancer.Options) BalancerOptions {
	return BalancerOptions{Name: d.Name, Binary: d.Binary, Retries: d.Retries, HardStop: d.HardStop}
}

// validate refuses what can't work; driver is how the options' names begin.
func (b *BalancerOptions) validate(driver string) error {
	if b == nil {
		return nil
	}
	if err := validateReachable(driver+"-address", b.Address); err != nil {
		return err
	}
	for _, address := range b.Bind {
		if _, err := netip.ParseAddr(address); err != nil {
			return fleet.Invalid(driver+"-bind", "%q is not an IP address", address)
		}
	}
	return nil
}

// validateBalancers refuses balancers that couldn't be told apart, too.
func (o *Options) validateBalancers() error {
	if err := o.HAProxy.validate(haproxy.Driver); err != nil {
		return err
	}
	if err := o.Nginx.validate(nginx.Driver); err != nil {
		return err
	}
	h, n := o.HAProxy, o.Nginx
	switch {
	case h == nil || n == nil:
	case h.Name == n.Name:
		return fleet.Invalid("nginx-name", "%q is HAProxy's name already", n.Name).WithHint("give each balancer of a host a name of its own")
	case o.balancerDir(h, haproxy.Driver) == o.balancerDir(n, nginx.Driver):
		return fleet.Invalid("nginx-dir", "%s is HAProxy's already", o.balancerDir(n, nginx.Driver)).WithHint("give each balancer a directory of its own")
	}
	return nil
}

func (o *Options) balancerDir(b *BalancerOptions, driver string) string {
	return filepath.Clean(cmp.Or(b.Dir, filepath.Join(o.StateDir, driver)))
}

// balancerFacts tell the hub what balancers there are, and what they can.
func (o *Options) balancerFacts(advertise string) (all []fleet.BalancerFacts) {
	add := func(b *BalancerOptions, driver string, features []string) {
		if b != nil {
			all = append(all, fleet.BalancerFacts{Name: b.Name, Driver: driver, Address: cmp.Or(b.Address, advertise), Labels: b.Labels, Features: features})
		}
	}
	add(o.HAProxy, haproxy.Driver, haproxy.Features)
	add(o.Nginx, nginx.Driver, nginx.Features)
	return all
}

// loadBalancer is one that runs, whatever drives it.
type loadBalancer interface {
	loop.Balancer
	Run(ctx context.Context) error
	Retire(ctx context.Context, within time.Duration) error
}

// newBalancers makes those that are asked for.
func newBalancers(o *Options, l *loop.Loop) (all []loadBalancer, err error) {
	if o.HAProxy != nil {
		b, err := haproxy.New(o.driven(o.HAProxy, haproxy.DefaultOptions(), haproxy.Driver, l))
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if o.Nginx != nil {
		b, err := nginx.New(o.driven(o.Nginx, nginx.DefaultOptions(), nginx.Driver, l))
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// driven sets, of a driver's options, what an operator and the agent say.
func (o *Options) driven(b *BalancerOptions, d balancer.Options, driver string, l *loop.Loop) balancer.Options {
	d.Name, d.Binary, d.Dir, d.BindAddresses = b.Name, b.Binary, o.balancerDir(b, driver), b.bind()
	d.MaxConn, d.Retries, d.HardStop, d.Certificates = b.MaxConn, b.Retries, b.HardStop, o.CertificatesDir
	d.Logger = o.Logger.With("room", "balancer", "balancer", fleet.BalancerKey{Host: o.Host, Name: b.Name}.String())
	d.Report = l.Balanced
	d.Counted = func(pools []fleet.PoolMetrics) { l.Counted(b.Name, pools) }
	return d
}

func (b *BalancerOptions) bind() (all []netip.Addr) {
	for _, address := range b.Bind {
		all = append(all, netip.MustParseAddr(address)) // Validate parsed it
	}
	return all
}
