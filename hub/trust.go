package hub

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"time"

	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/hub/internal/identity"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/hub/internal/vault"
	"github.com/musterhq/muster/shared/fleet"
)

func newIdentity(o Options, p *parts, sealed *vault.Vault, open listeners) *identity.Identity {
	return identity.New(identity.Options{
		Records: credentials{p.stored}, Vault: sealed, Logger: o.Logger.With("part", "identity"), Lineage: p.stored.Meta().Lineage,
		Names: o.names(), CertFile: o.TLSCert, KeyFile: o.TLSKey, HostLife: o.HostLife, MQTTPort: port(open.mqtts),
		Kick:     func(host string) { p.broker.Kick(host) },
		CutOff:   func(host string) { p.broker.CutOff(host) },
		Admitted: p.admitted,
		Refused:  func(entry fleet.AuditEntry) { p.people.Refused(entry) },
		Renew: func(host string) {
			ask := asker{bus: p.broker, lineage: p.stored.Meta().Lineage, epoch: p.stored.Meta().Epoch}
			if err := ask.Ask(host, fleet.Ask{ID: "renew", Do: fleet.AskRenew}); err != nil {
				o.Logger.Warn("host not asked to renew its certificate", "host", host, "error", err)
			}
		},
	})
}

// admitted has the fleet hear a host again that had left it.
func (p *parts) admitted(host string) error {
	ctx, cancel := context.WithTimeout(context.Background(), admitTime)
	defer cancel()
	_, err := p.loop.Do(ctx, fleet.Command{ID: rand.Text(), Do: fleet.DoHostJoin, Host: host, Actor: "join", By: fleet.Principal{Name: "join", Via: fleet.ViaHTTPS}})
	return err
}

const admitTime = 10 * time.Second

// credentials is the store as identity needs it.
type credentials struct{ stored *store.Store }

func (c credentials) Keep(rows []identity.Row, audit ...fleet.AuditEntry) error {
	changes := make([]store.Change, len(rows))
	for i, row := range rows {
		changes[i] = store.Change(row)
	}
	return c.stored.Keep(changes, audit...)
}

// doors are where MQTT clients come in.
func (p *parts) doors(o Options, open listeners) (doors []broker.Door) {
	if open.mqtts != nil {
		doors = append(doors, broker.Door{Listener: open.mqtts, TLS: p.identity.TLS()})
	}
	if open.mqtt != nil {
		doors = append(doors, broker.Door{Listener: open.mqtt, Open: o.InsecureListen})
	}
	return doors
}

// guard says who may come in.
type guard struct{ parts *parts }

func (g guard) Host(leaf *x509.Certificate) (string, error) { return g.parts.identity.Host(leaf) }

func (g guard) Joined(host string) bool { return g.parts.identity.Joined(host) }

func (g guard) Login(name, password, from string) (fleet.Principal, error) {
	return g.parts.people.Login(name, password, from)
}
