package identity

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// The hub's own certificate goes on by itself.
func TestTheHubsCertificateIsRenewed(t *testing.T) {
	h := open(t, &shelf{rows: map[string]Row{}})
	first := h.served.Load()
	h.look()
	if h.served.Load() != first {
		t.Error("it was renewed at once")
	}
	h.now = h.now.Add(serverLife * 3 / 4)
	h.look()
	if h.served.Load() == first {
		t.Error("it was not renewed")
	}
}

func TestTheOperatorsCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "hub.pem"), filepath.Join(dir, "hub.key")
	write := func(name string) string {
		a, err := newAuthority(1, name, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m := newMachine(t)
		leaf, err := a.server([]string{name}, m.key.Public(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(m.key)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(os.WriteFile(certFile, []byte(toPEM(leaf, a.cert)), 0o600), os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		return fleet.PinOf(a.cert.RawSubjectPublicKeyInfo).String()
	}
	pin := write("one.example")
	h := open(t, &shelf{rows: map[string]Row{}}, func(o *Options) { o.CertFile, o.KeyFile = certFile, keyFile })
	if _, got := h.Roots(); got.String() != pin || h.served.Load().Leaf.DNSNames[0] != "one.example" {
		t.Errorf("shows %s", got)
	}
	m := newMachine(t)
	c, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web1", Request: m.request(t)}, "")
	if err != nil || c.ServerName != "" || !c.SystemRoots {
		t.Fatalf("%+v, %v", c, err)
	}
	c.ServerName = "one.example"
	if host, err := h.connect(t, m, c, ""); err != nil || host != "web1" {
		t.Errorf("%q, %v", host, err)
	}
	if err := os.WriteFile(certFile, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.look()
	if h.served.Load().Leaf.DNSNames[0] != "one.example" {
		t.Error("a damaged file took the place of a good one")
	}
	write("two.example")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(certFile, later, later); err != nil {
		t.Fatal(err)
	}
	h.look()
	if h.served.Load().Leaf.DNSNames[0] != "two.example" {
		t.Error("it wasn't read again")
	}
}
