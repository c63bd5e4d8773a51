package balancer

import (
	"context"
	"errors"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// ErrRejected says that the pools at fault are kept back, and reported so.
var ErrRejected = errors.New("a pool's section was rejected")

// Reject keeps a pool back.
func (c *Common) Reject(pool fleet.Pool, cause error) {
	c.Log.Warn("pool rejected", "service", pool.Service, "generation", pool.Generation, "error", cause)
	c.Memory = c.Memory.Reject(pool, cause.Error(), time.Now())
}

// Isolate rejects the pools that make a configuration fail, and reports whether there
// are any.
func (c *Common) Isolate(pools []fleet.Pool, check func([]fleet.Pool) error) bool {
	faults := sequence.Isolate(c.Memory.Filed, pools, check)
	for _, fault := range faults {
		c.Reject(fault.Pool, fault.Cause)
	}
	return len(faults) > 0
}

// RejectTaken rejects the pools with a listener that another program holds, at which
// no balancer's own checker looks. The others are free.
func (c *Common) RejectTaken(pools []fleet.Pool) (free []fleet.Pool, rejected bool) {
	for _, pool := range pools {
		if err := taken(pool, c.Options.BindAddresses); err != nil {
			c.Reject(pool, err)
			rejected = true
		} else {
			free = append(free, pool)
		}
	}
	return free, rejected
}

// LookAtCertificates says whether renewed ones are in use: a reload of what is there
// is due. Pools that were kept back for them are tried again at once.
func (c *Common) LookAtCertificates(ctx context.Context) bool {
	wanted := c.Wanted()
	if len(c.Certificates.Look(ctx, time.Now(), c.Memory.Filed, wanted)) == 0 {
		return false
	}
	for _, pool := range wanted {
		if i := sequence.IndexOf(c.Memory.Filed, pool.Service); len(lbconf.CertificatesOf(pool)) > 0 && c.Missing(pool) == nil {
			if i < 0 || c.Memory.Filed[i].Generation != pool.Generation {
				c.Memory = c.Memory.Reconsider(pool.Service)
			}
		}
	}
	return true
}

// Missing says why the first of some pools that can't have its certificates can't.
func (c *Common) Missing(pools ...fleet.Pool) error {
	for _, pool := range pools {
		var filed fleet.Pool
		if i := sequence.IndexOf(c.Memory.Filed, pool.Service); i >= 0 {
			filed = c.Memory.Filed[i]
		}
		if err := c.Certificates.Missing(pool, filed); err != nil {
			return err
		}
	}
	return nil
}

// Trial is a pool to try a certificate with, on which nothing else depends.
func Trial(certificate, protocol string) fleet.Pool {
	return fleet.Pool{
		Service: fleet.ServiceKey{Project: "muster", Name: "certificate"},
		Routes:  []fleet.Route{{Target: 443, Listen: []int{443}, Protocol: protocol, Certificates: map[int][]string{443: {certificate}}}},
	}
}
