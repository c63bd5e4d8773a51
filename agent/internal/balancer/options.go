package balancer

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// maxDir keeps the sockets' paths, and the longer ones that HAProxy makes of
// them while it binds, within what the kernel allows (107 bytes).
const maxDir = 72

// Options of a balancer. Its driver's DefaultOptions has sensible values for all
// but Dir.
type Options struct {
	Name   string // the balancer's name on this host
	Binary string // HAProxy 2.6 or later, or nginx 1.18 or later
	// Dir is the balancer's own: configuration, sockets, logs and pid file. It is
	// made, and readable by its owner only. At most 72 bytes long.
	Dir string
	// Certificates is the folder of those that the host has: see Certificates.
	Certificates  string
	BindAddresses []netip.Addr  // to listen on; none: every IPv4 address
	MaxConn       int           // open connections, see the driver's DefaultOptions; 0: as many as that says
	Retries       int           // attempts after a failed connection; 0: none, and no other endpoint is tried
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

// Validate refuses options that can't work with any program; title is how errors
// call this one. It does no IO.
func (o Options) Validate(title string) error {
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
		return fleet.Invalid("balancer.binary", "no %s is named", title)
	}
	return nil
}
