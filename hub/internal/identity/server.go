package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// certificate is what the hub shows: leaf, authorities, and what vouches for them.
// The caller holds mu.
func (s *Identity) certificate() (*tls.Certificate, error) {
	if s.operator != nil {
		return &s.operator.cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issuer := s.signing()
	names := append([]string{fleet.HubName}, s.options.Names...)
	leaf, err := issuer.server(names, key.Public(), s.options.Now())
	if err != nil {
		return nil, err
	}
	cert := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, a := range slices.Backward(s.authorities) {
		if a.cross != nil {
			cert.Certificate = append(cert.Certificate, a.cross.Raw)
		}
	}
	// The oldest one's root is shown for those who know the hub by its pin.
	cert.Certificate = append(cert.Certificate, s.authorities[0].cert.Raw)
	return cert, nil
}

// operatorCert is a certificate that the operator gave.
type operatorCert struct {
	certFile, keyFile string
	changed           [2]time.Time
	cert              tls.Certificate
	chain             []*x509.Certificate
}

func readOperatorCert(certFile, keyFile string) (*operatorCert, error) {
	o := &operatorCert{certFile: certFile, keyFile: keyFile}
	var err error
	if o.changed, err = o.times(); err != nil {
		return nil, fmt.Errorf("read the hub's certificate: %w", err)
	}
	if o.cert, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		return nil, fleet.Invalid("tls-cert", "%s and %s are no certificate and its key: %v", certFile, keyFile, err).
			WithHint("both in PEM, the certificate followed by those that vouch for it")
	}
	for _, der := range o.cert.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fleet.Invalid("tls-cert", "%s: %v", certFile, err)
		}
		o.chain = append(o.chain, cert)
	}
	o.cert.Leaf = o.chain[0]
	return o, nil
}

// anchor is the last of the chain that is shown.
func (o *operatorCert) anchor() *x509.Certificate { return o.chain[len(o.chain)-1] }

func (o *operatorCert) times() (changed [2]time.Time, err error) {
	for i, name := range []string{o.certFile, o.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return changed, err
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}

// reread takes the operator's certificate again when its files have changed. One
// that is no good is said, and the former one stays. The caller holds mu.
func (s *Identity) reread() {
	changed, err := s.operator.times()
	if err == nil && changed == s.operator.changed {
		return
	}
	next, readErr := readOperatorCert(s.operator.certFile, s.operator.keyFile)
	if readErr != nil {
		if changed != s.operator.changed || err != nil {
			s.options.Logger.Error("the hub's certificate files have changed, and aren't usable: the former one stays", "error", readErr)
			s.operator.changed = changed
		}
		return
	}
	s.operator = next
	if err := s.serve(); err != nil {
		s.options.Logger.Error("the hub's certificate was not exchanged", "error", err)
		return
	}
	s.options.Logger.Info("the hub's certificate was read anew", "file", next.certFile, "until", next.cert.Leaf.NotAfter)
}
