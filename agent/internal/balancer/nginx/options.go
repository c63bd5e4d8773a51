package nginx

import (
	"log/slog"
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

// DefaultOptions returns the options of a balancer in production. MaxConn is of each
// worker's open connections, on both sides; 0: 16384.
func DefaultOptions() balancer.Options {
	global := lbconf.DefaultNginx()
	return balancer.Options{
		Name:         Driver,
		Certificates: balancer.CertificatesDir,
		Binary:       "nginx",
		Retries:      global.Retries,
		HardStop:     global.HardStop,
		Logger:       slog.New(slog.DiscardHandler),
	}
}

// validate refuses options that can't work. It does no IO.
func validate(options balancer.Options) error {
	if err := options.Validate("nginx"); err != nil {
		return err
	}
	_, err := lbconf.Nginx(lbconf.NginxInput{Global: globalOf(options)})
	return err
}

func globalOf(o balancer.Options) lbconf.NginxGlobal {
	global := lbconf.DefaultNginx()
	global.Name, global.Dir = o.Name, o.Dir
	global.Bind, global.MaxConn, global.Retries = o.BindAddresses, o.MaxConn, o.Retries
	global.HardStop = max(o.HardStop, time.Second)
	return global
}
