package haproxy

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// Driver is the name of this package's driver.
const Driver = "haproxy"

// Features are what this driver can; sorted.
var Features = []string{
	fleet.BalancerAlgorithms, fleet.BalancerGRPC, fleet.BalancerMetrics, fleet.BalancerParked, fleet.BalancerProxy, fleet.BalancerRouting,
	fleet.BalancerSnippets, fleet.BalancerSticky, fleet.BalancerTimeouts, fleet.BalancerTLS,
}

// maxDir keeps the sockets' paths, and the longer ones that HAProxy makes of
// them while it binds, within what the kernel allows (107 bytes).
const maxDir = 72

// Options of a balancer. DefaultOptions has sensible values for all but Dir.
type Options struct {
	Name   string // the balancer's name on this host
	Binary string // HAProxy 2.6 or later
	// Dir is the balancer's own: configuration, sockets and pid file. It is
	// made, and readable by its owner only. At most 72 bytes long.
	Dir string
	// Certificates is the folder of those that the host has: see balancer.Certificates.
	Certificates  string
	BindAddresses []netip.Addr  // to listen on; none: every IPv4 address
	MaxConn       int           // open connections in all; 0: what the limit of open files allows
	Retries       int           // attempts after a failed connection; 0: none, and no redispatch
	HardStop      time.Duration // longest life of an old worker; a pool's longer drain timeout prevails
	Logger        *slog.Logger
	// Report is called, never concurrently, with each new state of the
	// balancer. It must not block. Nil: nobody is told.
	Report func(fleet.BalancerActual)
	// Counted is called, never concurrently, with what was counted for the pools
	// that are to be measured: once a second at most, and only with news. Nil
	// pools: none is measured any more. It must not block. Nil: nobody is told.
	Counted func([]fleet.PoolMetrics)
}

// DefaultOptions returns the options of a balancer in production.
func DefaultOptions() Options {
	global := lbconf.DefaultGlobal()
	return Options{
		Name:         Driver,
		Binary:       "haproxy",
		Retries:      global.Retries,
		Certificates: balancer.CertificatesDir,
		HardStop:     global.HardStop,
		Logger:       slog.New(slog.DiscardHandler),
	}
}

// Validate refuses options that can't work. It does no IO.
func (o Options) Validate() error {
	if err := fleet.ValidateHost(o.Name); err != nil {
		return fmt.Errorf("the balancer's name: %w", err)
	}
	if !filepath.IsAbs(o.Dir) || len(o.Dir) > maxDir {
		return fleet.Invalid("balancer.dir", "%q is not an absolute path of at most %d bytes", o.Dir, maxDir)
	}
	if !filepath.IsAbs(o.Certificates) {
		return fleet.Invalid("balancer.certificates", "%q is not an absolute path", o.Certificates)
	}
	if o.Binary == "" {
		return fleet.Invalid("balancer.binary", "no HAProxy is named")
	}
	_, err := lbconf.HAProxy(lbconf.Input{Global: o.global()})
	return err
}

func (o Options) global() lbconf.Global {
	global := lbconf.DefaultGlobal()
	global.Name = o.Name
	global.RuntimeSocket = filepath.Join(o.Dir, "haproxy.sock")
	global.Bind = o.BindAddresses
	global.MaxConn = o.MaxConn
	global.Retries = o.Retries
	global.HardStop = max(o.HardStop, time.Second)
	return global
}
