package crowd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	// joinsAtOnce bounds how many agents of a crowd are about to join: the others wait
	// for them, so that a busy hub isn't asked by thousands.
	joinsAtOnce    = 8
	joinAgainFirst = 50 * time.Millisecond // after a request that wasn't granted
	joinAgainLast  = 250 * time.Millisecond
	maxAnswer      = 64 << 10
)

// entry is how the agents of a crowd become hosts: with one token, and each with a
// key of its own that is nowhere but in the process.
type entry struct {
	options *Options
	known   chan struct{} // closed when token and client are there
	token   string
	client  *http.Client
	asking  chan struct{} // has room for those who are about to join

	mu      sync.Mutex // guards the rest
	roots   *x509.CertPool
	trouble error // the last one
}

func newEntry(o *Options) *entry {
	return &entry{options: o, known: make(chan struct{}), asking: make(chan struct{}, joinsAtOnce)}
}

// open lets all join with the token.
func (e *entry) open(text string) error {
	token, err := fleet.ParseJoinToken(text)
	if err != nil {
		return err
	}
	e.token = text
	e.client = &http.Client{
		Timeout: e.options.Timeout,
		Transport: &http.Transport{
			TLSClientConfig: pinned(token.Pin), MaxConnsPerHost: joinsAtOnce, MaxIdleConnsPerHost: joinsAtOnce, IdleConnTimeout: 10 * time.Second,
		},
	}
	close(e.known)
	return nil
}

// pinned knows the hub by the key that the token names.
func pinned(pin fleet.Pin) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			roots, chain := x509.NewCertPool(), x509.NewCertPool()
			for _, cert := range s.PeerCertificates {
				chain.AddCert(cert)
				if fleet.PinOf(cert.RawSubjectPublicKeyInfo) == pin {
					roots.AddCert(cert)
				}
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: chain})
			return err
		},
	}
}

// join makes an agent a host, and returns how it connects from then on. The end of
// ctx ends it.
func (e *entry) join(ctx context.Context, host string) (*tls.Config, error) {
	select {
	case <-e.known:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	select {
	case e.asking <- struct{}{}:
		defer func() { <-e.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		credential, err := e.ask(ctx, fleet.JoinRequest{Token: e.token, Host: host, Request: request})
		if err == nil {
			return e.config(credential, key)
		}
		e.hadTrouble(err)
		select {
		case <-time.After(joinAgainFirst + mathrand.N(joinAgainLast-joinAgainFirst)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *entry) ask(ctx context.Context, ask fleet.JoinRequest) (c fleet.Credential, err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return c, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+e.options.Join+"/v1/join", bytes.NewReader(body))
	if err != nil {
		return c, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(request)
	if err != nil {
		return c, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return c, err
	}
	if response.StatusCode != http.StatusOK {
		return c, fmt.Errorf("%s: %s", response.Status, answer)
	}
	err = json.Unmarshal(answer, &c)
	return c, err
}

// config is how one agent connects. What knows the hub is all agents'.
func (e *entry) config(c fleet.Credential, key *ecdsa.PrivateKey) (*tls.Config, error) {
	block, _ := pem.Decode([]byte(c.Certificate))
	if block == nil {
		return nil, errors.New("the hub's answer has no certificate")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.roots == nil {
		e.roots = x509.NewCertPool()
		e.roots.AppendCertsFromPEM([]byte(c.Roots))
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: e.roots, ServerName: c.ServerName, DynamicRecordSizingDisabled: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{bytes.Clone(block.Bytes)}, PrivateKey: key}},
	}, nil
}

func (e *entry) hadTrouble(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = err
}

// close ends the connections that nobody uses.
func (e *entry) close() {
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
}
