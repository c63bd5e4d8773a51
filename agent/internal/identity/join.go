package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// JoinOptions say where to join, and as whom.
type JoinOptions struct {
	Dir    string // the state directory
	Hub    string // HTTPS, host:port
	Token  string
	Host   string // the id; empty: the token's, else the machine's name
	Name   string // the machine's, for where neither says an id
	Logger *slog.Logger
}

// Join makes this machine a host. It knows the hub by the token before it says
// anything secret. Who has joined before keeps the key, unless the hub wants it to
// be another's.
func Join(ctx context.Context, o JoinOptions) (*Identity, error) {
	token, err := fleet.ParseJoinToken(o.Token)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	i := &Identity{dir: o.Dir, logger: o.Logger, soon: make(chan struct{}, 1)}
	if i.key, err = ownKey(filepath.Join(o.Dir, keyName)); err != nil {
		return nil, err
	}
	request, err := certificateRequest(i.key)
	if err != nil {
		return nil, err
	}
	var c fleet.Credential
	ask := fleet.JoinRequest{Token: o.Token, Host: o.Host, Request: request}
	err = post(ctx, pinned(token.Pin, o.Hub), o.Hub, "/v1/join", ask, &c)
	if o.Host == "" && needsName(err) {
		ask.Host = o.Name
		err = post(ctx, pinned(token.Pin, o.Hub), o.Hub, "/v1/join", ask, &c)
	}
	if err != nil {
		return nil, err
	}
	if err := i.take(o.Hub, c); err != nil {
		return nil, err
	}
	tellClock(o.Logger, c.Time)
	return i, nil
}

// needsName: the token is for any host, and none was named.
func needsName(err error) bool {
	var e *fleet.Error
	return errors.As(err, &e) && e.Code == fleet.CodeInvalid && e.Path == "host"
}

// pinned knows the hub by the hash of a public key in the chain that it shows. Where
// that is an authority's, which may vouch for others too, the certificate has to be
// for a hub's own name, or for the address where this one was reached.
func pinned(pin fleet.Pin, hub string) *tls.Config {
	address, _, _ := net.SplitHostPort(hub) // one that isn't host:port isn't reached
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			chain := x509.NewCertPool()
			var anchor *x509.Certificate
			for _, cert := range s.PeerCertificates {
				if fleet.PinOf(cert.RawSubjectPublicKeyInfo) == pin {
					anchor = cert
				}
				chain.AddCert(cert)
			}
			if anchor == nil {
				return &fleet.Error{
					Code: fleet.CodeUnauthenticated, Path: "token", Message: "this is not the hub that the join token is of: it shows other certificates. Nothing was sent to it",
					Hint: "check the hub's address; somebody may be in between",
				}
			}
			roots := x509.NewCertPool()
			roots.AddCert(anchor)
			leaf := s.PeerCertificates[0]
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: chain}); err != nil {
				return explain(err)
			}
			if anchor == leaf || leaf.VerifyHostname(fleet.HubName) == nil {
				return nil
			}
			if err := leaf.VerifyHostname(address); err != nil {
				return &fleet.Error{
					Code: fleet.CodeUnauthenticated, Path: "token", Message: fmt.Sprintf("what answers there isn't shown to be the hub: %v. Nothing was sent to it", err),
					Hint: "name the hub as its certificate does; or somebody is in between",
				}
			}
			return nil
		},
	}
}

// explain says what an expired certificate may mean.
func explain(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fleet.Invalid("clock", "by this machine's clock it is %s, and the hub's certificate is valid from %s to %s",
			time.Now().UTC().Format(time.RFC3339), invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339)).
			WithHint("set this machine's clock right, or renew the hub's certificate")
	}
	return err
}

// HubAddress completes what a person writes of a hub: host, host:port, or its URL.
func HubAddress(text string) (string, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/")
	if host, port, err := net.SplitHostPort(text); err == nil && host != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			return text, nil
		}
	}
	if text == "" || net.ParseIP(text) == nil && (len(text) > 253 || !plainName(text)) {
		return "", fleet.Invalid("hub", "%.253q is not the address of a hub", text).WithHint("write it like hub.example or 192.0.2.1:8443")
	}
	return net.JoinHostPort(text, "8443"), nil
}

func plainName(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_' {
			return false
		}
	}
	return true
}
