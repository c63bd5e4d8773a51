package lbtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
)

// TLSWithHTTP2AndSeveralCertificates and with HTTP/1.1: the certificate is by the name that a
// client asks for, as one file, and as certbot keeps it. The program is told who asked, and how.
func TLSWithHTTP2AndSeveralCertificates(t *testing.T, d Driver) {
	k := NewKeeper(t)
	r := NewRig(t, d, k.Keeps)
	shop := k.Issue("shop", "shop.example", "www.shop.example")
	blog := k.authority.Issue(t, x509.Certificate{DNSNames: []string{"blog.example"}})
	chain, key := blog.PEM(t)
	k.put("blog.example/fullchain.pem", chain)
	k.put("blog.example/privkey.pem", key)
	web := NewPool(t, "web")
	web.Routes[0].Certificates = map[int][]string{web.Routes[0].Listen[0]: {"shop", "blog.example"}}
	web.Endpoints = []fleet.Endpoint{NewProgram(t, "a", tells).Endpoint(fleet.EndpointReady)}
	r.Apply(web)
	r.Ready(web, "a")

	if k.shown(Address(web), "shop.example") != shop.Cert.SerialNumber.String() || k.shown(Address(web), "blog.example") != blog.Cert.SerialNumber.String() {
		t.Error("not the certificate of the name")
	}
	client := k.Browser(Address(web))
	body, response := Get(t, client, "https://blog.example/x")
	if response.ProtoMajor != 2 || body != "HTTP/1.1 blog.example for 127.0.0.1 by https" {
		t.Errorf("over %s: %s", response.Proto, body)
	}
	one := k.Browser(Address(web))
	one.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	if body, response := Get(t, one, "https://shop.example/"); response.ProtoMajor != 1 || !strings.Contains(body, "by https") {
		t.Errorf("over %s: %s", response.Proto, body)
	}
	ca := filepath.Join(k.folder, "ca.crt")
	if err := os.WriteFile(ca, certs.PEM(k.authority.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(Address(web))
	output, err := exec.Command("curl", "--silent", "--show-error", "--http2", "--cacert", ca, "--connect-to", "::"+host+":"+port, "--write-out", " %{http_version}", "https://shop.example/").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(output), "by https 2") {
		t.Errorf("curl: %s, %v", output, err)
	}
	if info, err := os.Stat(filepath.Join(r.Options.Dir, "certificates")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of copies: %v, %v", info, err)
	}
	old, err := tls.Dial("tcp", Address(web), &tls.Config{RootCAs: k.authority.Pool(), ServerName: "shop.example", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		old.Close()
		t.Error("it speaks TLS 1.1")
	}
}

// ACertificateIsRenewedUnderLoad over connections that are kept and over such that
// aren't: nobody notices, and new connections are shown the new one.
func ACertificateIsRenewedUnderLoad(t *testing.T, d Driver) {
	k := NewKeeper(t)
	r := NewRig(t, d, k.Keeps)
	k.Issue("shop", "shop.example")
	web := NewPool(t, "web")
	web.Routes[0].Certificates = map[int][]string{web.Routes[0].Listen[0]: {"shop"}}
	for _, id := range []string{"a", "b"} {
		web.Endpoints = append(web.Endpoints, NewProgram(t, id).Endpoint(fleet.EndpointReady))
	}
	r.Apply(web)
	r.Ready(web, "a")
	r.Ready(web, "b")
	l := d.startLoadBy(t, Client{Address: Address(web), secure: func(conn net.Conn) net.Conn {
		return tls.Client(conn, &tls.Config{RootCAs: k.authority.Pool(), ServerName: "shop.example", NextProtos: []string{"http/1.1"}})
	}}, 8, 5*time.Millisecond)
	h2 := d.startBrowsing(t, k.Browser(Address(web)), "https://shop.example/")
	for range 3 {
		next := k.Issue("shop", "shop.example")
		Poll(t, "the new one is shown", func() bool { return k.shown(Address(web), "shop.example") == next.Cert.SerialNumber.String() })
		time.Sleep(500 * time.Millisecond)
	}
	l.lostNothing(t)
	h2.lostNothing(t)
	if copies, err := os.ReadDir(filepath.Join(r.Options.Dir, "certificates")); err != nil || len(copies) != 1 {
		t.Errorf("copies: %v, %v", copies, err)
	}
}

// ACertificateThatCanNotBeUsed as it is missing, expired or with another's key keeps its
// listener as it was, and nobody else's; once there is a good one it is taken.
func ACertificateThatCanNotBeUsed(t *testing.T, d Driver) {
	good := func(k *Keeper) { k.Issue("shop", "shop.example") }
	for name, c := range map[string]struct {
		spoil func(k *Keeper)
		says  string
	}{
		"missing": {func(k *Keeper) { os.Remove(filepath.Join(k.folder, "shop.pem")) }, "there is neither"},
		"expired": {func(k *Keeper) {
			k.issueAs("shop", x509.Certificate{DNSNames: []string{"shop.example"}, NotAfter: time.Now().Add(-time.Minute)})
		}, "it expired at"},
		"not yet valid": {func(k *Keeper) {
			k.issueAs("shop", x509.Certificate{DNSNames: []string{"shop.example"}, NotBefore: time.Now().Add(time.Minute)})
		}, "it isn't valid before"},
		"another's key": {func(k *Keeper) {
			chain, _ := k.authority.Issue(k.t, x509.Certificate{DNSNames: []string{"shop.example"}}).PEM(k.t)
			_, key := k.authority.Issue(k.t, x509.Certificate{DNSNames: []string{"shop.example"}}).PEM(k.t)
			k.put("shop.pem", append(chain, key...))
		}, "private key does not match public key"},
		"no certificate": {func(k *Keeper) { k.put("shop.pem", []byte("nothing")) }, "lacks a certificate or its key"},
		"another name":   {func(k *Keeper) { k.Issue("shop", "blog.example") }, "not for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := NewKeeper(t)
			r := NewRig(t, d, k.Keeps)
			c.spoil(k)
			web, other := NewPool(t, "web"), NewPool(t, "other")
			web.Routes[0].Hosts = []string{"shop.example"}
			a := NewProgram(t, "a")
			web.Endpoints = []fleet.Endpoint{a.Endpoint(fleet.EndpointReady)}
			other.Endpoints = []fleet.Endpoint{NewProgram(t, "o").Endpoint(fleet.EndpointReady)}
			port := web.Routes[0].Listen[0]

			web.Routes[0].Certificates = map[int][]string{port: {"shop"}} // a new listener
			r.WantNext(other, web)
			r.Until("it says why", func(a fleet.BalancerActual) bool { return strings.Contains(PoolOf(a, web.Service).Problem, c.says) })
			r.Ready(other, "o")
			Answer(t, other, "o")
			good(k)
			r.Ready(web, "a")
			r.Until("all is well", func(a fleet.BalancerActual) bool {
				return a.Problem == "" && PoolOf(a, web.Service).Problem == "" && PoolOf(a, web.Service).Generation == web.Generation
			})
			before := k.shown(Address(web), "shop.example")

			c.spoil(k) // of a listener that serves
			r.Until("it says so", func(a fleet.BalancerActual) bool { return strings.Contains(a.Problem, c.says) })
			b := NewProgram(t, "b")
			web.Endpoints = append(web.Endpoints, b.Endpoint(fleet.EndpointReady)) // and goes on, with all that comes
			r.Apply(other, web)
			r.Ready(web, "b")
			r.Detach()
			r.Attach()
			r.WantAgain(other, web)
			r.Until("the next agent says so, too", func(a fleet.BalancerActual) bool { return strings.Contains(a.Problem, c.says) })
			r.Reload(t)
			if now := k.shown(Address(web), "shop.example"); now != before {
				t.Errorf("shown is %s, before %s", now, before)
			}
			good(k)
			Poll(t, "the new one is shown", func() bool { return k.shown(Address(web), "shop.example") != before })
			r.Until("all is well", func(a fleet.BalancerActual) bool { return a.Problem == "" })
		})
	}
}

// GRPCOverTLS with the real client of gRPC.
func GRPCOverTLS(t *testing.T, d Driver) {
	k := NewKeeper(t)
	r := NewRig(t, d, k.Keeps)
	k.Issue("calls", "calls.example")
	pool := NewPool(t, "calls")
	pool.Routes[0].Protocol, pool.Check.Type = fleet.ProtocolGRPC, fleet.ProbeTCP
	pool.Routes[0].Certificates = map[int][]string{pool.Routes[0].Listen[0]: {"calls"}}
	pool.Endpoints = []fleet.Endpoint{newGRPCProgram(t, "a").Endpoint(fleet.EndpointReady)}
	r.Apply(pool)
	r.Ready(pool, "a")
	say(t, k, Address(pool), "calls.example", "a")
}

// say calls by a host name and wants an answer from somebody.
func say(t testing.TB, k *Keeper, address, host, want string) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+host+":443", grpc.WithDisableRetry(),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: k.authority.Pool()})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var who wrapperspb.StringValue
	if err := conn.Invoke(ctx, sayMethod, wrapperspb.String("hi"), &who); err != nil || who.Value != want {
		t.Errorf("answered by %q, %v; want %s", who.Value, err, want)
	}
}
