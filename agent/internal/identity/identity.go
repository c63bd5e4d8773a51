// Package identity is who this host is to the hub: a key that never leaves it, a
// certificate of the hub's authority, and how the hub is known.
package identity

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// Files in the state directory.
const (
	fileName = "identity.json"
	keyName  = "host.key"
	fileMode = 0o600
)

// ErrNotJoined means that this host has joined no hub.
var ErrNotJoined = errors.New("this host has not joined a hub")

// file is what is on disk beside the key.
type file struct {
	Version    int              `json:"version"`
	Hub        string           `json:"hub"` // HTTPS, host:port
	Credential fleet.Credential `json:"credential"`
}

// state is what the file says, read.
type state struct {
	file
	cert  tls.Certificate
	roots *x509.CertPool
}

// Identity is this host's. It is safe for use by several goroutines.
type Identity struct {
	dir    string
	key    crypto.Signer
	logger *slog.Logger
	state  atomic.Pointer[state]
	soon   chan struct{} // asks for a renewal now
}

// Open reads what joining has left in the state directory.
func Open(dir string, logger *slog.Logger) (*Identity, error) {
	raw, err := os.ReadFile(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotJoined
	}
	if err != nil {
		return nil, fmt.Errorf("read this host's identity: %w", err)
	}
	i := &Identity{dir: dir, logger: logger, soon: make(chan struct{}, 1)}
	if i.key, err = readKey(filepath.Join(dir, keyName)); err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, damaged(filepath.Join(dir, fileName), err)
	}
	s, err := read(f, i.key)
	if err != nil {
		return nil, damaged(filepath.Join(dir, fileName), err)
	}
	i.state.Store(s)
	return i, nil
}

func damaged(path string, err error) error {
	return fleet.Invalid("state-dir", "%s is damaged: %v", path, err).
		WithHint("let this host join again: muster token create --host ID, and paste the line here")
}

// read takes a credential in that belongs to the key.
func read(f file, key crypto.Signer) (*state, error) {
	s := &state{file: f, roots: x509.NewCertPool()}
	block, _ := pem.Decode([]byte(f.Credential.Certificate))
	if block == nil {
		return nil, errors.New("there is no certificate in it")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("the certificate is of another key than this host's")
	}
	if f.Credential.SystemRoots {
		if s.roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's roots: %w", err)
		}
	}
	if !s.roots.AppendCertsFromPEM([]byte(f.Credential.Roots)) && !f.Credential.SystemRoots {
		return nil, errors.New("there is nothing in it by which the hub is known")
	}
	if err := fleet.ValidateHost(f.Credential.Host); err != nil {
		return nil, err
	}
	s.cert = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	return s, nil
}

// take keeps a credential, and counts it once it is on disk.
func (i *Identity) take(hub string, c fleet.Credential) error {
	f := file{Version: 1, Hub: hub, Credential: c}
	s, err := read(f, i.key)
	if err != nil {
		return fmt.Errorf("the hub's answer can't be used: %w", err)
	}
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(i.dir, fileName), raw, fileMode); err != nil {
		return fmt.Errorf("keep this host's identity: %w", err)
	}
	i.state.Store(s)
	return nil
}

// Remove forgets who this host was, when it has left the fleet.
func (i *Identity) Remove() error {
	for _, name := range []string{fileName, keyName} {
		if err := os.Remove(filepath.Join(i.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Host is this host's id.
func (i *Identity) Host() string { return i.state.Load().Credential.Host }

// Lineage is the hub's that was joined.
func (i *Identity) Lineage() string { return i.state.Load().Credential.Lineage }

// Labels are those that the join token gave.
func (i *Identity) Labels() map[string]string { return i.state.Load().Credential.Labels }

// Hub is the hub's broker, and HTTP the address of its API.
func (i *Identity) Hub() (mqtt, http string) {
	s := i.state.Load()
	host, _, _ := net.SplitHostPort(s.file.Hub) // it was reached there
	return "mqtts://" + net.JoinHostPort(host, strconv.Itoa(s.Credential.MQTTPort)), "https://" + s.file.Hub
}

// TLS is how this host proves who it is, and knows the hub. It is for one
// connection: the next one may have another certificate.
func (i *Identity) TLS(host string) *tls.Config {
	s := i.state.Load()
	config := s.knows(host)
	// Shown also to a hub that asks for another authority's: it says that it doesn't
	// take it, which is a reason to renew.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &s.cert, nil }
	return config
}

// knows is how the hub is known.
func (s *state) knows(host string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots, ServerName: host}
	if s.Credential.ServerName != "" {
		config.ServerName = s.Credential.ServerName
	}
	return config
}

// Renew asks for another certificate now.
func (i *Identity) Renew() {
	select {
	case i.soon <- struct{}{}:
	default:
	}
}

// due is when the certificate is to be renewed: at a random point from 50 to 80 %
// of its life, so that a fleet that was made in an hour isn't renewed in one.
func (s *state) due() time.Time {
	begin := s.Credential.Time // the certificate is valid from a little before
	life := s.cert.Leaf.NotAfter.Sub(begin)
	return begin.Add(time.Duration(float64(life) * (0.5 + 0.3*rand.Float64())))
}

// Pauses between attempts to renew.
const (
	firstPause = 2 * time.Second
	mostPause  = 10 * time.Minute
	// atMostEvery is the pause between two renewals that were asked for.
	atMostEvery = 2 * time.Second
)

// Run renews the certificate until ctx is done. Renewed is told of each: the
// connection goes on with the former one until it is made anew.
func (i *Identity) Run(ctx context.Context, renewed func()) error {
	var pause time.Duration
	due := i.state.Load().due()
	for {
		wait := time.Until(due)
		if pause > 0 {
			wait = pause
		}
		timer := time.NewTimer(max(wait, atMostEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-i.soon:
			timer.Stop()
		case <-timer.C:
		}
		if err := i.renew(ctx); err != nil {
			pause = min(max(2*pause, firstPause), mostPause)
			pause += rand.N(pause/2 + 1)
			i.logger.Warn("certificate not renewed", "error", err, "valid_until", i.state.Load().cert.Leaf.NotAfter, "retry_in", pause)
			continue
		}
		pause, due = 0, i.state.Load().due()
		renewed()
	}
}

func (i *Identity) renew(ctx context.Context) error {
	s := i.state.Load()
	request, err := certificateRequest(i.key)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(s.file.Hub)
	var c fleet.Credential
	if err := post(ctx, s.knows(host), s.file.Hub, "/v1/renew", fleet.RenewRequest{Host: s.Credential.Host, Request: request}, &c); err != nil {
		return err
	}
	if c.Host != s.Credential.Host || c.Lineage != s.Credential.Lineage {
		return fmt.Errorf("the hub answered for the host %.63q of another fleet or name", c.Host)
	}
	if err := i.take(s.file.Hub, c); err != nil {
		return err
	}
	tellClock(i.logger, c.Time)
	i.logger.Info("certificate renewed", "until", i.state.Load().cert.Leaf.NotAfter)
	return nil
}

// clockOff is the difference from the hub's clock that is said.
const clockOff = 5 * time.Minute

func tellClock(logger *slog.Logger, hub time.Time) {
	if off := time.Since(hub).Round(time.Second); off.Abs() > clockOff {
		logger.Warn("this machine's clock and the hub's differ: set it right, or certificates seem expired or not valid yet", "ahead_of_the_hub_by", off)
	}
}
