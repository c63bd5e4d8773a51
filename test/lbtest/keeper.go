package lbtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/test/certs"
)

// Keeper keeps the certificates of a host, as its operator does.
type Keeper struct {
	t         testing.TB
	folder    string
	authority certs.Pair
}

// NewKeeper has a folder and an authority.
func NewKeeper(t testing.TB) *Keeper {
	t.Helper()
	return &Keeper{t, t.TempDir(), certs.NewAuthority(t)}
}

// Keeps has a balancer look there.
func (k *Keeper) Keeps(options *Options) { options.Certificates = k.folder }

// Issue writes a certificate for some host names as one file, replaced at once.
func (k *Keeper) Issue(name string, hosts ...string) certs.Pair {
	k.t.Helper()
	return k.issueAs(name, x509.Certificate{DNSNames: hosts})
}

func (k *Keeper) issueAs(name string, of x509.Certificate) certs.Pair {
	k.t.Helper()
	pair := k.authority.Issue(k.t, of)
	chain, key := pair.PEM(k.t)
	k.put(name+".pem", append(chain, key...))
	return pair
}

func (k *Keeper) put(name string, content []byte) {
	k.t.Helper()
	path := filepath.Join(k.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(path+".next", content, 0o600); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		k.t.Fatal(err)
	}
}

// Browser asks a balancer's address by a host name, over HTTP/2 where that is offered.
func (k *Keeper) Browser(address string) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: k.authority.Pool()}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	k.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: Patience}
}

// shown is the number of the certificate that is shown for a host name.
func (k *Keeper) shown(address, host string) string {
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: k.authority.Pool(), ServerName: host})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}
