package haproxy

import (
	"context"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// lookAtCertificates takes renewed ones into use, by a reload of what is there; pools
// that were kept back for them are tried again at once.
func (b *Balancer) lookAtCertificates(ctx context.Context) {
	wanted := b.wanted()
	changed := b.certificates.Look(ctx, time.Now(), b.memory.Filed, wanted)
	if len(changed) == 0 {
		return
	}
	b.memory.Structure = b.structure(b.memory.Filed)
	for _, pool := range wanted {
		if i := sequence.IndexOf(b.memory.Filed, pool.Service); b.missing(pool) == nil && len(lbconf.CertificatesOf(pool)) > 0 {
			if i < 0 || b.memory.Filed[i].Generation != pool.Generation {
				b.memory = b.memory.Reconsider(pool.Service)
			}
		}
	}
}

// missing says why a pool can't have its certificates.
func (b *Balancer) missing(pool fleet.Pool) error {
	var filed fleet.Pool
	if i := sequence.IndexOf(b.memory.Filed, pool.Service); i >= 0 {
		filed = b.memory.Filed[i]
	}
	return b.certificates.Missing(pool, filed)
}

// accepts asks HAProxy about a certificate that nothing else depends on.
func (b *Balancer) accepts(ctx context.Context, name, path string) error {
	global := b.options.global()
	global.Certificates = map[string]string{name: path}
	_, _, err := b.check(ctx, global, []fleet.Pool{{
		Service: fleet.ServiceKey{Project: "muster", Name: "certificate"},
		Routes:  []fleet.Route{{Target: 443, Listen: []int{443}, Protocol: fleet.ProtocolTCP, Certificates: map[int][]string{443: {name}}}},
	}})
	return err
}

// global is what all pools share.
func (b *Balancer) global() lbconf.Global {
	global := b.options.global()
	global.Certificates = b.certificates.Paths()
	return global
}
