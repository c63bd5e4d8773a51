package broker

import (
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/musterhq/muster/shared/fleet"
)

// Door is where clients connect.
type Door struct {
	Listener net.Listener // the broker closes it
	// TLS has the hub's certificate, and asks for an agent's; nil: plain.
	TLS *tls.Config
	// Open: who connects is believed. Agents are who they say, and everybody else
	// is an operator.
	Open bool
}

// Guard knows who may come in. Its methods are called from many goroutines, and
// Login may take its time.
type Guard interface {
	// Host returns the id of the host that a certificate is of, whose chain was
	// verified; an error: why it isn't let in.
	Host(leaf *x509.Certificate) (string, error)
	// Joined says whether the host has a certificate: then nobody is believed to be
	// it without one.
	Joined(host string) bool
	// Login proves a user's name and password, or a program's token.
	Login(name, password, from string) (fleet.Principal, error)
}

// Kick ends an agent's session at once, and withholds its Will.
func (b *Broker) Kick(host string) {
	b.hook.sessions.kick(ofHost(host))
	if c := b.hook.sessions.of(host); c != nil {
		c.supersede()
	}
}

// CutOff ends an agent's session at once, as if its connection had broken: its Will
// is heard.
func (b *Broker) CutOff(host string) {
	if c := b.hook.sessions.of(host); c != nil {
		_ = c.Close()
	}
}

// KickUser ends the sessions of an account and its tokens at once, or of one token
// that is named like "ann/ci".
func (b *Broker) KickUser(name string) {
	b.hook.sessions.kick(name)
	for _, c := range b.hook.sessions.ofUser(name) {
		c.supersede()
	}
}
