package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// dial connects to the hub, and by TLS where it is asked for.
func (l *Link) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.address)
	if err != nil || l.options.TLS == nil {
		return conn, err
	}
	host, _, _ := net.SplitHostPort(l.address)
	secure := tls.Client(conn, l.options.TLS(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(explain(err), conn.Close())
	}
	return quick{secure}, nil
}

// quick ends a connection at once: a farewell would wait for a peer that takes
// nothing.
type quick struct{ *tls.Conn }

func (q quick) Close() error { return q.NetConn().Close() }

// explain says what it may mean that the hub isn't known by its certificate.
func explain(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fmt.Errorf("the hub's certificate is valid from %s to %s, and by this machine's clock it is %s: is the clock right?",
			invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339))
	}
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		return fmt.Errorf("%w: this isn't the hub that this host has joined, or it has lost its store; then let this host join it again", err)
	}
	return err
}

// rejected tells of a certificate that the hub didn't take: the MQTT library hands
// its alert on as a text.
func (l *Link) rejected(err error) {
	text := err.Error()
	if l.options.OnRejected != nil && strings.Contains(text, "remote error: tls:") && strings.Contains(text, "certificate") {
		l.options.OnRejected()
	}
	if l.options.OnRefused != nil && errors.Is(err, packets.ErrorRefusedNotAuthorised) {
		l.options.OnRefused()
	}
}
