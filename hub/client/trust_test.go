package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
)

// server is what a hub's certificate says by itself.
func server() x509.Certificate {
	return x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
}

// show is a hub that shows a chain.
func show(t *testing.T, own certs.Pair, above ...*x509.Certificate) string {
	t.Helper()
	hub := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"version":"1"}`)
	}))
	hub.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS(above...)}}
	hub.Config.ErrorLog = log.New(io.Discard, "", 0)
	hub.StartTLS()
	t.Cleanup(hub.Close)
	return hub.URL
}

func pin(c *x509.Certificate) fleet.Pin { return fleet.PinOf(c.RawSubjectPublicKeyInfo) }

// A pin is believed if the certificate that it names is shown, and the hub's own
// comes from it.
func TestPinned(t *testing.T) {
	ca, other := certs.NewAuthority(t), certs.NewAuthority(t)
	expired, elsewhere := server(), server()
	expired.NotAfter = time.Now().Add(-time.Minute)
	elsewhere.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
	good, late, away := ca.Issue(t, server()), ca.Issue(t, expired), ca.Issue(t, elsewhere)
	between := ca.Between(t)
	below := between.Issue(t, server())
	for name, c := range map[string]struct {
		url  string
		pin  fleet.Pin
		says string // "": it is believed
	}{
		"the authority":                         {show(t, good, ca.Cert), pin(ca.Cert), ""},
		"one above the one between":             {show(t, below, between.Cert, ca.Cert), pin(ca.Cert), ""},
		"the one between":                       {show(t, below, between.Cert), pin(between.Cert), ""},
		"the hub's own":                         {show(t, good), pin(good.Cert), ""},
		"another authority":                     {show(t, good, ca.Cert), pin(other.Cert), "isn't the one that was pinned: it shows " + pin(ca.Cert).String()},
		"an authority that isn't shown":         {show(t, good), pin(ca.Cert), "isn't the one that was pinned"},
		"shown by one that doesn't come of it":  {show(t, good, other.Cert), pin(other.Cert), "another one that doesn't come from it"},
		"an expired certificate":                {show(t, late, ca.Cert), pin(ca.Cert), "expired"},
		"a certificate of another address":      {show(t, away, ca.Cert), pin(ca.Cert), "doesn't come from it"},
		"the chain of one in between of others": {show(t, below, other.Cert, between.Cert), pin(other.Cert), "doesn't come from it"},
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
	ca, other := certs.NewAuthority(t), certs.NewAuthority(t)
	own := ca.Issue(t, server())
	url := show(t, own, ca.Cert)
	for name, known := range map[string][]byte{"the system's": nil, "another": certs.PEM(other.Cert)} {
		hub, err := New(Options{URL: url, CA: known})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Version(t.Context()); !errors.Is(err, ErrUnknownAuthority) || !strings.Contains(err.Error(), "muster login "+url+" --ca FILE or --pin") {
			t.Errorf("%s: %v", name, err)
		}
		hub.Close()
	}
	if shown, err := ShownPin(t.Context(), url); err != nil || shown != pin(ca.Cert) {
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
