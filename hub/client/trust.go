package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
)

// socketHost stands for the hub in requests through its socket.
const socketHost = "hub.socket"

// parseURL reads a hub's URL; socket is the path of one that is a socket.
func parseURL(text string) (base *url.URL, socket string, err error) {
	base, err = url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err == nil && base.Scheme == "unix" && base.Host == "" && filepath.IsAbs(base.Path):
		return &url.URL{Scheme: "http", Host: socketHost}, base.Path, nil
	case err != nil, base.Host == "", base.User != nil, base.Scheme != "http" && base.Scheme != "https":
		return nil, "", fleet.Invalid("hub", "%q is not the URL of a hub", text).WithHint("write it like https://hub.example:8443 or unix:///run/muster/hub.sock")
	}
	return base, "", nil
}

// private says whether what is sent there can't be read on the way.
func private(base *url.URL) bool { return base.Scheme == "https" || reach.Loopback(base.Hostname()) }

func inTheClear(base *url.URL) error {
	return fleet.Invalid("hub", "%s is no https: anybody on the way could read the password or the token", base).
		WithHint("use the hub's https address, or its machine's socket")
}

// trust is how the hub has to prove who it is.
func trust(ca []byte) (*tls.Config, error) {
	if len(ca) == 0 {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fleet.Invalid("ca", "there is no certificate in it").WithHint("it has to be PEM: -----BEGIN CERTIFICATE-----")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// Pinned connects to the hub and returns, in PEM, the certificate that a pin names,
// if the hub shows it and its own is signed by it. Nothing is sent before.
func Pinned(ctx context.Context, hub string, pin fleet.Pin) ([]byte, error) {
	base, chain, err := shown(ctx, hub)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return fleet.PinOf(c.RawSubjectPublicKeyInfo) == pin })
	if at < 0 {
		return nil, (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: fmt.Sprintf("the hub at %s isn't the one that was pinned: it shows %s", hub, pinOf(chain))}).
			WithHint("somebody may be in between: compare with what muster ca show says on the hub's machine")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(chain[at])
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: base.Hostname()}); err != nil {
		return nil, (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: fmt.Sprintf("the hub at %s shows the pinned certificate, and another one that doesn't come from it: %v", hub, err)}).
			WithHint("use a name that the hub's certificate has (muster-hub --name); or somebody is in between")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[at].Raw}), nil
}

// ShownPin is the pin of the authority that the hub at a URL shows, or claims to be
// of: nothing of it is proved.
func ShownPin(ctx context.Context, hub string) (fleet.Pin, error) {
	_, chain, err := shown(ctx, hub)
	if err != nil {
		return fleet.Pin{}, err
	}
	return pinOf(chain), nil
}

func pinOf(chain []*x509.Certificate) fleet.Pin {
	return fleet.PinOf(chain[len(chain)-1].RawSubjectPublicKeyInfo)
}

// shown are the certificates that somebody shows at a URL.
func shown(ctx context.Context, hub string) (*url.URL, []*x509.Certificate, error) {
	base, _, err := parseURL(hub)
	if err != nil {
		return nil, nil, err
	}
	if base.Scheme != "https" {
		return nil, nil, fleet.Invalid("hub", "%s has no certificate: it is no https", hub)
	}
	address := base.Host
	if base.Port() == "" {
		address = net.JoinHostPort(base.Hostname(), "443")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// Whom it belongs to is looked at by the caller: nothing is said before.
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: base.Hostname(), InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		c := Client{base: base, shown: hub}
		return nil, nil, c.unreachable(ctx, err)
	}
	defer conn.Close()
	secure, ok := conn.(*tls.Conn)
	if !ok || len(secure.ConnectionState().PeerCertificates) == 0 {
		return nil, nil, errors.New("the hub shows no certificate")
	}
	return base, secure.ConnectionState().PeerCertificates, nil
}
