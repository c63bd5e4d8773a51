package link_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/test/certs"
	"github.com/musterhq/muster/test/logbuf"
)

// Another connection is asked for: the hub doesn't hear a Will.
func TestAnotherConnectionIsNoLoss(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", a.up)
	for i := range 3 {
		before := a.current()
		a.Again()
		eventually(t, "connected anew", func() bool { return a.up() && a.current() != before })
		a.set(t, "actual", strings.Repeat("x", i+1), true)
		eventually(t, "it is heard", func() bool { return h.has(a.topic("actual"), strings.Repeat("x", i+1)) })
		if h.has(a.topic("presence"), "lost "+before) {
			t.Fatal("the hub takes it for lost")
		}
	}
}

// A hub that doesn't take the certificate is told apart from one that isn't
// there, and a hub's own that isn't valid now is said to be perhaps a wrong clock.
func TestCertificatesThatAreNotTaken(t *testing.T) {
	authority := certs.NewAuthority(t)
	issue := func(from, to time.Duration) tls.Certificate {
		now := time.Now()
		return authority.Issue(t, x509.Certificate{DNSNames: []string{"hub"}, NotBefore: now.Add(from), NotAfter: now.Add(to)}).TLS()
	}
	good := issue(-time.Hour, time.Hour)
	for name, c := range map[string]struct {
		hub      tls.Certificate
		rejected bool
		says     string
	}{
		"the host's":              {good, true, "remote error: tls:"},
		"the hub's, from morrow":  {issue(23*time.Hour, 48*time.Hour), false, "is the clock right?"},
		"another hub's":           {good, false, "let this host join it again"},
		"the hub's, of last year": {issue(-48*time.Hour, -23*time.Hour), false, "is the clock right?"},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
				Certificates: []tls.Certificate{c.hub}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(),
			})
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 1))
					conn.Close()
				}
			})
			defer serving.Wait()
			defer listener.Close()
			_, port, _ := net.SplitHostPort(listener.Addr().String())
			var said logbuf.Buffer
			var rejected atomic.Int32
			o := quick(&hub{addr: "127.0.0.1:" + port}, "web1")
			o.Server = "mqtts://127.0.0.1:" + port
			o.Logger = slog.New(slog.NewTextHandler(&said, nil))
			o.OnRejected = func() { rejected.Add(1) }
			roots := authority.Pool()
			if name == "another hub's" {
				roots = x509.NewCertPool()
			}
			o.TLS = func(string) *tls.Config {
				return &tls.Config{RootCAs: roots, ServerName: "hub", GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &good, nil }}
			}
			a := startAgent(t, o)
			eventually(t, "it is said", func() bool { return strings.Contains(said.String(), c.says) })
			a.end(t)
			if (rejected.Load() > 0) != c.rejected {
				t.Errorf("told %d times that the hub doesn't take it:\n%s", rejected.Load(), said.String())
			}
		})
	}
}
