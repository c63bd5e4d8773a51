package haproxy

import (
	"log/slog"
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

// DefaultOptions returns the options of a balancer in production. MaxConn is of open
// connections in all; 0: what the limit of open files allows.
func DefaultOptions() balancer.Options {
	global := lbconf.DefaultGlobal()
	return balancer.Options{
		Name:         Driver,
		Binary:       "haproxy",
		Retries:      global.Retries,
		Certificates: balancer.CertificatesDir,
		HardStop:     global.HardStop,
		Logger:       slog.New(slog.DiscardHandler),
	}
}

// validate refuses options that can't work. It does no IO.
func validate(options balancer.Options) error {
	if err := options.Validate("HAProxy"); err != nil {
		return err
	}
	_, err := lbconf.HAProxy(lbconf.Input{Global: globalOf(options)})
	return err
}

func globalOf(o balancer.Options) lbconf.Global {
	global := lbconf.DefaultGlobal()
	global.Name = o.Name
	global.RuntimeSocket = filepath.Join(o.Dir, "haproxy.sock")
	global.Bind = o.BindAddresses
	global.MaxConn = o.MaxConn
	global.Retries = o.Retries
	global.HardStop = max(o.HardStop, time.Second)
	return global
}
