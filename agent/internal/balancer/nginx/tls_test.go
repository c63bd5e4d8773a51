package nginx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
)

// keeper keeps the certificates of a host, as its operator does.
type keeper struct {
	t         testing.TB
	folder    string
	authority certs.Pair
}

func newKeeper(t testing.TB, r *rig) *keeper {
	t.Helper()
	r.hostHas = t.TempDir()
	return &keeper{t, r.hostHas, certs.NewAuthority(t)}
}

// issue writes a certificate for some host names as one file, replaced at once.
func (k *keeper) issue(name string, of x509.Certificate) certs.Pair {
	k.t.Helper()
	pair := k.authority.Issue(k.t, of)
	chain, key := pair.PEM(k.t)
	k.put(name+".pem", append(chain, key...))
	return pair
}

func (k *keeper) put(name string, content []byte) {
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

// browser asks a balancer's address by a host name, over HTTP/2 where that is offered.
func (k *keeper) browser(address string) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: k.authority.Pool()}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	k.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func dns(list ...string) x509.Certificate { return x509.Certificate{DNSNames: list} }

// shown is the number of the certificate that is shown for a host name.
func (k *keeper) shown(address, host string) string {
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: k.authority.Pool(), ServerName: host})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func get(t testing.TB, client *http.Client, url string) (body string, response *http.Response) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), response
}

// tells answers with what a program is told of its client.
func tells(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s for %s by %s", r.Proto, r.Host, strings.Join(r.Header["X-Forwarded-For"], ","), r.Header.Get("X-Forwarded-Proto"))
}

// HTTP/1.1 and HTTP/2 over TLS, with a certificate by the name that a client asks for:
// as one file, and as certbot keeps it. The program is told who asked, and how.
func TestTLSWithHTTP2AndSeveralCertificates(t *testing.T) {
	t.Parallel()
	var k *keeper
	r := newRig(t, func(r *rig) { k = newKeeper(t, r) })
	shop := k.issue("shop", dns("shop.example", "www.shop.example"))
	blog := k.authority.Issue(t, dns("blog.example"))
	chain, key := blog.PEM(t)
	k.put("blog.example/fullchain.pem", chain)
	k.put("blog.example/privkey.pem", key)
	web := newPool(t, "web")
	web.Routes[0].Certificates = map[int][]string{web.Routes[0].Listen[0]: {"shop", "blog.example"}}
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a", tells).endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "a")

	if k.shown(address(web), "shop.example") != shop.Cert.SerialNumber.String() || k.shown(address(web), "blog.example") != blog.Cert.SerialNumber.String() {
		t.Error("not the certificate of the name")
	}
	client := k.browser(address(web))
	body, response := get(t, client, "https://blog.example/x")
	if response.ProtoMajor != 2 || body != "HTTP/1.1 blog.example for 127.0.0.1 by https" {
		t.Errorf("over %s: %s", response.Proto, body)
	}
	one := k.browser(address(web))
	one.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	if body, response := get(t, one, "https://shop.example/"); response.ProtoMajor != 1 || !strings.Contains(body, "by https") {
		t.Errorf("over %s: %s", response.Proto, body)
	}
	ca := filepath.Join(k.folder, "ca.crt")
	if err := os.WriteFile(ca, certs.PEM(k.authority.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(address(web))
	output, err := exec.Command("curl", "--silent", "--show-error", "--http2", "--cacert", ca, "--connect-to", "::"+host+":"+port, "--write-out", " %{http_version}", "https://shop.example/").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(output), "by https 2") {
		t.Errorf("curl: %s, %v", output, err)
	}
	if info, err := os.Stat(filepath.Join(r.dir, "certificates")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of copies: %v, %v", info, err)
	}
	old, err := tls.Dial("tcp", address(web), &tls.Config{RootCAs: k.authority.Pool(), ServerName: "shop.example", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		old.Close()
		t.Error("it speaks TLS 1.1")
	}
}

// A certificate is renewed under load, over connections that are kept and over such
// that aren't: nobody notices, and new connections are shown the new one.
func TestACertificateIsRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	var k *keeper
	r := newRig(t, func(r *rig) { k = newKeeper(t, r) })
	k.issue("shop", dns("shop.example"))
	web := newPool(t, "web")
	web.Routes[0].Certificates = map[int][]string{web.Routes[0].Listen[0]: {"shop"}}
	for _, id := range []string{"a", "b"} {
		web.Endpoints = append(web.Endpoints, newProgram(t, id).endpoint(fleet.EndpointReady))
	}
	r.apply(web)
	r.ready(web, "a")
	r.ready(web, "b")
	l := startLoadBy(t, client{address: address(web), secure: func(conn net.Conn) net.Conn {
		return tls.Client(conn, &tls.Config{RootCAs: k.authority.Pool(), ServerName: "shop.example", NextProtos: []string{"http/1.1"}})
	}}, 8, 5*time.Millisecond)
	h2 := startBrowsing(t, k.browser(address(web)), "https://shop.example/")
	for range 3 {
		next := k.issue("shop", dns("shop.example"))
		poll(t, "the new one is shown", func() bool { return k.shown(address(web), "shop.example") == next.Cert.SerialNumber.String() })
		time.Sleep(500 * time.Millisecond)
	}
	l.lostNothing(t)
	h2.lostNothing(t)
	if copies, err := os.ReadDir(filepath.Join(r.dir, "certificates")); err != nil || len(copies) != 1 {
		t.Errorf("copies: %v, %v", copies, err)
	}
}

// A certificate that is missing, expired or with another's key keeps its listener as it
// was, and nobody else's; once there is a good one it is taken.
func TestACertificateThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	good := func(k *keeper) { k.issue("shop", dns("shop.example")) }
	for name, c := range map[string]struct {
		spoil func(k *keeper)
		says  string
	}{
		"missing": {func(k *keeper) { os.Remove(filepath.Join(k.folder, "shop.pem")) }, "there is neither"},
		"expired": {func(k *keeper) {
			k.issue("shop", x509.Certificate{DNSNames: []string{"shop.example"}, NotAfter: time.Now().Add(-time.Minute)})
		}, "it expired at"},
		"not yet valid": {func(k *keeper) {
			k.issue("shop", x509.Certificate{DNSNames: []string{"shop.example"}, NotBefore: time.Now().Add(time.Minute)})
		}, "it isn't valid before"},
		"another's key": {func(k *keeper) {
			chain, _ := k.authority.Issue(k.t, dns("shop.example")).PEM(k.t)
			_, key := k.authority.Issue(k.t, dns("shop.example")).PEM(k.t)
			k.put("shop.pem", append(chain, key...))
		}, "private key does not match public key"},
		"no certificate": {func(k *keeper) { k.put("shop.pem", []byte("nothing")) }, "lacks a certificate or its key"},
		"another name":   {func(k *keeper) { k.issue("shop", dns("blog.example")) }, "not for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var k *keeper
			r := newRig(t, func(r *rig) { k = newKeeper(t, r); k.t = t })
			c.spoil(k)
			web, other := newPool(t, "web"), newPool(t, "other")
			web.Routes[0].Hosts = []string{"shop.example"}
			a := newProgram(t, "a")
			web.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady)}
			other.Endpoints = []fleet.Endpoint{newProgram(t, "o").endpoint(fleet.EndpointReady)}
			port := web.Routes[0].Listen[0]

			web.Routes[0].Certificates = map[int][]string{port: {"shop"}} // a new listener
			r.want(other, web)
			r.until("it says why", func(a fleet.BalancerActual) bool { return strings.Contains(poolOf(a, web.Service).Problem, c.says) })
			r.ready(other, "o")
			answers(t, other, "o")
			good(k)
			r.ready(web, "a")
			r.until("all is well", func(a fleet.BalancerActual) bool {
				return a.Problem == "" && poolOf(a, web.Service).Problem == "" && poolOf(a, web.Service).Generation == web.Generation
			})
			before := k.shown(address(web), "shop.example")

			c.spoil(k) // of a listener that serves
			r.until("it says so", func(a fleet.BalancerActual) bool { return strings.Contains(a.Problem, c.says) })
			b := newProgram(t, "b")
			web.Endpoints = append(web.Endpoints, b.endpoint(fleet.EndpointReady)) // and goes on, with all that comes
			r.apply(other, web)
			r.ready(web, "b")
			r.detach()
			r.attach()
			r.lb.Want(r.wanted(other, web))
			r.until("the next agent says so, too", func(a fleet.BalancerActual) bool { return strings.Contains(a.Problem, c.says) })
			r.reload()
			if now := k.shown(address(web), "shop.example"); now != before {
				t.Errorf("shown is %s, before %s", now, before)
			}
			good(k)
			poll(t, "the new one is shown", func() bool { return k.shown(address(web), "shop.example") != before })
			r.until("all is well", func(a fleet.BalancerActual) bool { return a.Problem == "" })
		})
	}
}

// wanted are pools as they were given last.
func (r *rig) wanted(pools ...*fleet.Pool) (out []fleet.Pool) {
	for _, pool := range pools {
		out = append(out, *pool)
	}
	return out
}

// Calls over TLS, with the real client of gRPC.
func TestGRPCOverTLS(t *testing.T) {
	t.Parallel()
	var k *keeper
	r := newRig(t, func(r *rig) { k = newKeeper(t, r) })
	k.issue("calls", dns("calls.example"))
	pool := newPool(t, "calls")
	pool.Routes[0].Protocol, pool.Check.Type = fleet.ProtocolGRPC, fleet.ProbeTCP
	pool.Routes[0].Certificates = map[int][]string{pool.Routes[0].Listen[0]: {"calls"}}
	pool.Endpoints = []fleet.Endpoint{newGRPCProgram(t, "a").endpoint(fleet.EndpointReady)}
	r.apply(pool)
	r.ready(pool, "a")
	say(t, k, address(pool), "calls.example", "a")
}

// say calls by a host name and wants an answer from somebody.
func say(t testing.TB, k *keeper, address, host, want string) {
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var who wrapperspb.StringValue
	if err := conn.Invoke(ctx, sayMethod, wrapperspb.String("hi"), &who); err != nil || who.Value != want {
		t.Errorf("answered by %q, %v; want %s", who.Value, err, want)
	}
}

// browsing asks again and again, by HTTP/2 over one connection.
type browsing struct {
	sent, failed atomic.Int64
	last         atomic.Value
	stop         chan struct{}
	done         chan struct{}
}

func startBrowsing(t *testing.T, client *http.Client, url string) *browsing {
	b := &browsing{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for {
			select {
			case <-b.stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			b.sent.Add(1)
			// At a reload nginx tells which requests it hasn't begun: those are sent anew.
			response, err := client.Post(url, "text/plain", strings.NewReader("hi"))
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err == nil && (response.StatusCode != http.StatusOK || response.ProtoMajor != 2) {
					err = fmt.Errorf("%s by %s", response.Status, response.Proto)
				}
			}
			if err != nil {
				b.failed.Add(1)
				b.last.Store(err.Error())
			}
		}
	}()
	t.Cleanup(b.end)
	return b
}

func (b *browsing) end() {
	select {
	case <-b.stop:
	default:
		close(b.stop)
	}
	<-b.done
}

func (b *browsing) lostNothing(t *testing.T) {
	t.Helper()
	b.end()
	t.Logf("%d of %d POSTs by HTTP/2 failed: %v", b.failed.Load(), b.sent.Load(), b.last.Load())
	if b.failed.Load() > 0 || b.sent.Load() == 0 {
		t.Error("requests were lost")
	}
}
