package nginx

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
const Driver = lbconf.DriverNginx

// Features are what this driver can; sorted.
var Features = []string{
	fleet.BalancerAlgorithms, fleet.BalancerGRPC, fleet.BalancerMetrics, fleet.BalancerParked, fleet.BalancerProxy,
	fleet.BalancerRouting, fleet.BalancerSnippets, fleet.BalancerSticky, fleet.BalancerTimeouts, fleet.BalancerTLS,
}

// maxDir keeps the sockets' paths within what the kernel allows (107 bytes).
const maxDir = 72

// Options of a balancer. DefaultOptions has sensible values for all but Dir.
type Options struct {
	Name   string // the balancer's name on this host
	Binary string // nginx 1.18 or later
	// Dir is the balancer's own: configuration, sockets, logs and pid file. It is
	// made, and readable by its owner only. At most 72 bytes long.
	Dir string
	// Certificates is the folder of those that the host has: see balancer.Certificates.
	Certificates  string
	BindAddresses []netip.Addr  // to listen on; none: every IPv4 address
	MaxConn       int           // open connections of each worker, on both sides; 0: 16384
	Retries       int           // attempts at other endpoints after a failed connection; 0: none
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
	global := lbconf.DefaultNginx()
	return Options{
		Name:         Driver,
		Certificates: balancer.CertificatesDir,
		Binary:       "nginx",
		Retries:      global.Retries,
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
		return fleet.Invalid("balancer.binary", "no nginx is named")
	}
	_, err := lbconf.Nginx(lbconf.NginxInput{Global: o.global()})
	return err
}

func (o Options) global() lbconf.NginxGlobal {
	global := lbconf.DefaultNginx()
	global.Name, global.Dir = o.Name, o.Dir
	global.Bind, global.MaxConn, global.Retries = o.BindAddresses, o.MaxConn, o.Retries
	global.HardStop = max(o.HardStop, time.Second)
	return global
}
