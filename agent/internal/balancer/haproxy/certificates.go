package haproxy

import (
	"context"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// accepts asks HAProxy about a certificate that nothing else depends on.
func (b *Balancer) accepts(ctx context.Context, name, path string) error {
	global := globalOf(b.Options)
	global.Certificates = map[string]string{name: path}
	_, _, err := b.check(ctx, global, []fleet.Pool{balancer.Trial(name, fleet.ProtocolTCP)})
	return err
}

// global is what all pools share.
func (b *Balancer) global() lbconf.Global {
	global := globalOf(b.Options)
	global.Certificates = b.Certificates.Paths()
	return global
}
