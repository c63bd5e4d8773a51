package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// authority is a certificate authority of a test's.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func certificate(t *testing.T, by *authority, change func(*x509.Certificate)) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
	}
	change(c)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func root(t *testing.T) authority {
	return certificate(t, nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
}

func leaf(t *testing.T, by authority, change func(*x509.Certificate)) authority {
	return certificate(t, &by, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		change(c)
	})
}

// show is a hub that shows a chain.
func show(t *testing.T, key *ecdsa.PrivateKey, chain ...*x509.Certificate) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"version":"1"}`)
	}))
	shown := tls.Certificate{PrivateKey: key}
	for _, c := range chain {
		shown.Certificate = append(shown.Certificate, c.Raw)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{shown}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func pin(c *x509.Certificate) fleet.Pin { return fleet.PinOf(c.RawSubjectPublicKeyInfo) }

// A pin is believed if the certificate that it names is shown, and the hub's own
// comes from it.
func TestPinned(t *testing.T) {
	ca, other := root(t), root(t)
	good := leaf(t, ca, func(*x509.Certificate) {})
	expired := leaf(t, ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	elsewhere := leaf(t, ca, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} })
	between := certificate(t, &ca, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	below := leaf(t, between, func(*x509.Certificate) {})
	for name, c := range map[string]struct {
		url  string
		pin  fleet.Pin
		says string // "": it is believed
	}{
		"the authority":                         {show(t, good.key, good.cert, ca.cert), pin(ca.cert), ""},
		"one above the one between":             {show(t, below.key, below.cert, between.cert, ca.cert), pin(ca.cert), ""},
		"the one between":                       {show(t, below.key, below.cert, between.cert), pin(between.cert), ""},
		"the hub's own":                         {show(t, good.key, good.cert), pin(good.cert), ""},
		"another authority":                     {show(t, good.key, good.cert, ca.cert), pin(other.cert), "isn't the one that was pinned: it shows " + pin(ca.cert).String()},
		"an authority that isn't shown":         {show(t, good.key, good.cert), pin(ca.cert), "isn't the one that was pinned"},
		"shown by one that doesn't come of it":  {show(t, good.key, good.cert, other.cert), pin(other.cert), "another one that doesn't come from it"},
		"an expired certificate":                {show(t, expired.key, expired.cert, ca.cert), pin(ca.cert), "expired"},
		"a certificate of another address":      {show(t, elsewhere.key, elsewhere.cert, ca.cert), pin(ca.cert), "doesn't come from it"},
		"the chain of one in between of others": {show(t, below.key, below.cert, other.cert, between.cert), pin(other.cert), "doesn't come from it"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Pinned(t.Context(), c.url, c.pin)
			if c.says != "" {
				if fleet.CodeOf(err) != fleet.CodeUnauthenticated || !strings.Contains(err.Error(), c.says) || found != nil {
					t.Errorf("%v; want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			hub, err := New(Options{URL: c.url, CA: found, Token: "mst_x"})
			if err != nil {
				t.Fatal(err)
			}
			defer hub.Close()
			if _, err := hub.Version(t.Context()); err != nil {
				t.Errorf("what was pinned isn't trusted: %v", err)
			}
		})
	}
	if _, err := Pinned(t.Context(), "http://127.0.0.1:1", fleet.Pin{}); fleet.CodeOf(err) != fleet.CodeInvalid {
		t.Errorf("no https: %v", err)
	}
	if _, err := Pinned(t.Context(), "https://127.0.0.1:1", fleet.Pin{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAnAuthorityThatIsntKnown(t *testing.T) {
	ca, other := root(t), root(t)
	own := leaf(t, ca, func(*x509.Certificate) {})
	url := show(t, own.key, own.cert, ca.cert)
	for name, known := range map[string][]byte{"the system's": nil, "another": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.cert.Raw})} {
		hub, err := New(Options{URL: url, CA: known})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Version(t.Context()); !errors.Is(err, ErrUnknownAuthority) || !strings.Contains(err.Error(), "muster login "+url+" --ca FILE or --pin") {
			t.Errorf("%s: %v", name, err)
		}
		hub.Close()
	}
	if shown, err := ShownPin(t.Context(), url); err != nil || shown != pin(ca.cert) {
		t.Errorf("%s, %v", shown, err)
	}
}

func TestSecretsArentSentInTheClear(t *testing.T) {
	for url, fine := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "https://hub.example": true, "unix:///run/hub.sock": true,
		"http://hub.example": false, "http://192.0.2.7:8080": false,
	} {
		if _, err := New(Options{URL: url, Token: "mst_x"}); (err == nil) != fine {
			t.Errorf("a token to %s: %v", url, err)
		}
		if _, err := New(Options{URL: url, Private: true}); (err == nil) != fine {
			t.Errorf("a login at %s: %v", url, err)
		}
		hub, err := New(Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Login(t.Context(), "ann", "x"); !fine && !strings.Contains(err.Error(), "is no https") {
			t.Errorf("a login at %s: %v", url, err)
		}
		hub.Close()
	}
	for _, url := range []string{"unix://relative/path", "unix:relative", "https://ann:secret@hub.example", "ftp://x", "", "unix://"} {
		if _, err := New(Options{URL: url}); fleet.CodeOf(err) != fleet.CodeInvalid {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A token goes to the hub that was named, not to where that one sends it.
func TestATokenFollowsNoRedirect(t *testing.T) {
	told := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told = r.Header.Get("Authorization") }))
	defer other.Close()
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer hub.Close()
	c, err := New(Options{URL: hub.URL, Token: "mst_x"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Version(t.Context()); err == nil || told != "" {
		t.Errorf("%v, told %q", err, told)
	}
}

func TestASocket(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "client") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "hub.sock")
	c, err := New(Options{URL: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Version(t.Context()); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "unix://"+path) {
		t.Errorf("nobody there: %v", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"version":"`+r.URL.Path+`"}`)
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	if v, err := c.Version(t.Context()); err != nil || v.Version != "/v1/version" || c.URL() != "unix://"+path {
		t.Errorf("%+v, %v", v, err)
	}
	server.Close()
	<-done
}
