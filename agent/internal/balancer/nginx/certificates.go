package nginx

import (
	"context"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// accepts asks nginx about a certificate that nothing else depends on.
func (b *Balancer) accepts(ctx context.Context, name, path string) error {
	input := b.input([]fleet.Pool{balancer.Trial(name, fleet.ProtocolHTTP)}, nil)
	input.Certificates = map[string]lbconf.NginxCertificate{name: {Path: path}}
	_, _, err := b.check(ctx, input)
	return err
}

// shown are the copies in use.
func (b *Balancer) shown() map[string]lbconf.NginxCertificate {
	all, names := map[string]lbconf.NginxCertificate{}, b.Certificates.Names()
	for name, path := range b.Certificates.Paths() {
		all[name] = lbconf.NginxCertificate{Path: path, Names: names[name]}
	}
	return all
}
