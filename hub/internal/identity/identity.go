package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/musterhq/muster/shared/fleet"
)

// Options of an Identity.
type Options struct {
	Records Records
	Vault   Vault
	Logger  *slog.Logger
	Lineage string
	// Names and addresses that the hub is reached at: its certificate has them.
	Names []string
	// CertFile and KeyFile are the operator's own certificate, with its chain; it
	// is read again when it changes. Empty: one of the hub's authority.
	CertFile, KeyFile string
	HostLife          time.Duration // of a host's certificate
	MQTTPort          int           // where hosts find the broker
	// Kick ends the session of a host that has no right to it any more.
	Kick func(host string)
	// CutOff does the same, and the host is lost.
	CutOff func(host string)
	// Admitted is told of each host that is let in, before it gets its certificate.
	Admitted func(host string) error
	// Refused writes into the audit trail who wasn't let in, of whom there may be many.
	Refused func(fleet.AuditEntry)
	// Renew asks a host's agent for another certificate.
	Renew func(host string)
	Now   func() time.Time
}

// HostLife is how long a host's certificate is valid, unless Options say other.
const HostLife = 30 * 24 * time.Hour

// Rates of what machines ask for that aren't in yet.
const (
	requestsPerSecond = 100
	requestsAtOnce    = 400
)

// Identity is the hub's certificate authority and its list of hosts. It is safe
// for use by several goroutines.
type Identity struct {
	options Options
	limit   *rate.Limiter
	tls     atomic.Pointer[tls.Config]      // as it is now
	served  atomic.Pointer[tls.Certificate] // likewise

	// in guards writing to hosts, and reading where mu isn't held: who connects
	// doesn't wait until something is kept.
	in sync.RWMutex

	mu          sync.Mutex // guards the rest; held while something is kept
	authorities []*authority
	tokens      map[string]*token
	hosts       map[string]*host
	asked       map[string]time.Time // hosts that were asked to renew
	gone        map[string]bool      // hosts that are to be revoked, until that is kept
	operator    *operatorCert        // nil: the hub's own
}

// New makes an identity without anything in it; Load fills it.
func New(o Options) *Identity {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Identity{
		options: o, limit: rate.NewLimiter(requestsPerSecond, requestsAtOnce),
		tokens: map[string]*token{}, hosts: map[string]*host{}, asked: map[string]time.Time{}, gone: map[string]bool{},
	}
}

// Open begins: without an authority it makes one.
func (s *Identity) Open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.authorities) == 0 {
		a, err := newAuthority(1, s.options.Lineage, nil, s.options.Now())
		if err != nil {
			return err
		}
		row, err := s.rowOf(a)
		if err != nil {
			return err
		}
		if err := s.options.Records.Keep([]Row{row}); err != nil {
			return err
		}
		s.authorities = append(s.authorities, a)
		s.options.Logger.Info("certificate authority made", "pin", fleet.PinOf(a.cert.RawSubjectPublicKeyInfo).String())
	}
	if s.options.CertFile != "" {
		own, err := readOperatorCert(s.options.CertFile, s.options.KeyFile)
		if err != nil {
			return err
		}
		s.operator = own
	}
	return s.serve()
}

// lookEvery is the pause between two looks at what has to be done by time.
const lookEvery = 5 * time.Second

// Run renews the hub's certificate, reads the operator's again when it changes,
// and asks hosts for their renewal, until ctx is done.
func (s *Identity) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.look()
		}
	}
}

func (s *Identity) look() {
	s.revokeGone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operator != nil {
		s.reread()
	} else if leaf := s.served.Load().Leaf; s.options.Now().After(leaf.NotAfter.Add(-serverLife / 3)) {
		if err := s.serve(); err != nil {
			s.options.Logger.Error("the hub's certificate was not renewed", "error", err)
		}
	}
	s.askToRenew()
}

// signing is the authority that issues. The caller holds mu.
func (s *Identity) signing() *authority { return s.authorities[len(s.authorities)-1] }

// roots are what others may trust: the authorities, the last one first, and what
// the operator's certificate stands on. The caller holds mu.
func (s *Identity) roots() []*x509.Certificate {
	var roots []*x509.Certificate
	for _, a := range slices.Backward(s.authorities) {
		roots = append(roots, a.cert)
	}
	if s.operator != nil {
		roots = append(roots, s.operator.anchor())
	}
	return roots
}

// Roots is PEM of what clients have to trust, to know the hub, and pin is the one
// that names it.
func (s *Identity) Roots() (pem string, pin fleet.Pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return toPEM(s.roots()...), s.pin()
}

// pin names a certificate that the hub shows. The caller holds mu.
func (s *Identity) pin() fleet.Pin {
	if s.operator != nil {
		return fleet.PinOf(s.operator.anchor().RawSubjectPublicKeyInfo)
	}
	return fleet.PinOf(s.signing().cert.RawSubjectPublicKeyInfo)
}

// TLS is how the hub proves who it is. Agents may show a certificate, and those of
// hosts are verified as far as their chain.
func (s *Identity) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.tls.Load(), nil },
		GetCertificate:     func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.served.Load(), nil },
	}
}

// WebTLS is the same for browsers and programs: nobody is asked for a certificate.
func (s *Identity) WebTLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.served.Load(), nil },
	}
}

// serve makes what the hub shows from now on. The caller holds mu.
func (s *Identity) serve() error {
	cert, err := s.certificate()
	if err != nil {
		return err
	}
	hosts := x509.NewCertPool()
	for _, a := range s.authorities {
		hosts.AddCert(a.cert)
	}
	s.served.Store(cert)
	s.tls.Store(&tls.Config{
		MinVersion:             tls.VersionTLS12,
		Certificates:           []tls.Certificate{*cert},
		ClientAuth:             tls.VerifyClientCertIfGiven,
		ClientCAs:              hosts,
		SessionTicketsDisabled: true, // who comes back proves again who it is
		// A message is one record, and so one write, however long the session is.
		DynamicRecordSizingDisabled: true,
	})
	return nil
}

// Host says which host a certificate is of whose chain was verified, and whether
// it is still let in.
func (s *Identity) Host(leaf *x509.Certificate) (string, error) {
	s.in.RLock()
	defer s.in.RUnlock()
	id := leaf.Subject.CommonName
	h := s.hosts[id]
	switch {
	case fleet.ValidateHost(id) != nil, !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return "", errors.New("the certificate is no host's")
	case h == nil:
		return "", errors.New("the certificate's host has not joined this hub, or left it")
	case !h.Revoked.IsZero():
		return "", errors.New("the host's certificate is revoked: the host was removed")
	case !bytes.Equal(h.Key, leaf.RawSubjectPublicKeyInfo):
		return "", errors.New("the certificate is of a key that the host has no more: it has joined anew")
	}
	return id, nil
}

// put counts what is kept of a host. The caller holds mu; what it puts isn't changed
// any more.
func (s *Identity) put(h *host) {
	s.in.Lock()
	defer s.in.Unlock()
	s.hosts[h.ID] = h
}

// Joined says whether a host has a key that counts.
func (s *Identity) Joined(host string) bool {
	s.in.RLock()
	defer s.in.RUnlock()
	h := s.hosts[host]
	return h != nil && h.Revoked.IsZero()
}
