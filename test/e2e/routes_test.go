//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
	"github.com/musterhq/muster/test/cluster"
)

// driven are the drivers of balancers, each on a host of its own, with what differs.
var driven = []struct {
	host, name string
	method     string // of requests that none may be lost of: an nginx before 1.27.4 promises that for those that clients try again
	wrong      string // a snippet that it rejects and no check of Muster's
}{
	{"lb1", "haproxy", http.MethodPost, "http-response set-header X-Shop b if nothing_of_the_kind"},
	{"lb2", "nginx", http.MethodGet, "rewrite ^/( /a;"},
}

// asked is the file of services that ask much of a balancer. A part of web's environment
// and more of its second listener are filled in.
const asked = `
services:
  web:
    image: app:1
    environment: {FOR: %q}
    deploy: {replicas: 2, x-rollout: {monitor: 1s}}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
    x-lb:
      - {listen: 7480, target: 8080, hosts: shop.example, check: {path: /healthz}}
      - {listen: 7443, target: 8080, tls: shop, sticky: true, algorithm: leastconn, timeouts: {request: 20s}%s}
  blog:
    image: app:2
    x-probe: {http: /healthz, port: 8080, interval: 1s}
    x-lb:
      - {listen: 7480, target: 8080, hosts: [blog.example, "*.blog.example"], haproxy: "http-response set-header X-Blog yes", nginx: "add_header X-Blog yes;"}
      - {listen: 7443, target: 8080, tls: blog}
  api:
    image: app:3
    environment: {GRPC_PORT: "9090"}
    x-probe: {http: /healthz, port: 8080, interval: 1s}
    x-lb:
      - {listen: 7480, target: 8080, hosts: shop.example, paths: [/client, /api]}
      - {listen: 7443, target: 8080, tls: shop}
      - {listen: 7443, target: 9090, protocol: grpc, hosts: shop.example, paths: /test.Echo, tls: shop}
      - {listen: 7490, target: 9090, protocol: grpc}
  bytes:
    image: app:1
    x-probe: {http: /healthz, port: 8080, interval: 1s}
    x-lb: {listen: 7481, target: 8080, protocol: tcp, proxy_protocol: send}
  behind:
    image: app:1
    x-probe: {http: /healthz, port: 8080, interval: 1s}
    x-lb: {listen: 7482, target: 8080, proxy_protocol: accept}
`

// TestWhatServicesAskOfBalancers offers services on one balancer of each driver, by host
// names and paths on shared ports, and looks at each with real clients.
func TestWhatServicesAskOfBalancers(t *testing.T) {
	t.Parallel()
	p, authority := onOneOfEachDriver(t)
	p.apply(fmt.Sprintf(asked, "", ""))
	shown := p.mustMuster("service", "asked/web")
	p.says(shown, "https shop.example:7443 -> 8080", "http shop.example:7480 -> 8080")
	p.says(p.mustMuster("lb", "show", "asked/api"), "https shop.example:7443/api -> 8080", "grpcs shop.example:7443/test.Echo -> 9090")
	for _, d := range driven {
		at := visitor{p, p.c.Fleet.Host(d.host).Address, authority}
		t.Run(d.name, func(t *testing.T) {
			p := *p
			p.T = t
			at.project = &p
			at.byHostAndPath()
			at.overTLS()
			at.sticky()
			at.webSocket()
			at.calls()
			at.addresses()
			at.renewed(d.host, d.method)
			p.wrong(at, d.host, d.name, d.wrong)
		})
	}
}

// onOneOfEachDriver is a project on a fleet with one balancer of each driver, whose hosts
// have certificates of an authority.
func onOneOfEachDriver(t *testing.T) (*project, certs.Pair) {
	options := cluster.Options{Hosts: []string{"web1"}}
	for _, d := range driven {
		options.Hosts = append(options.Hosts, d.host)
		if d.name == "nginx" {
			options.Nginx = append(options.Nginx, d.host)
		} else {
			options.Balancers = append(options.Balancers, d.host)
		}
	}
	p := ofItsOwn(t, "asked", options, "app:1", "app:2")
	p.must(p.c.LoadApps(p.ctx(), map[string][]string{"app:3": {"VERSION=3"}}))
	authority := certs.NewAuthority(t)
	for _, d := range driven {
		p.certify(d.host, authority, "shop", time.Now().Add(time.Hour), "shop.example")
		p.certify(d.host, authority, "blog", time.Now().Add(time.Hour), "blog.example", "*.blog.example")
	}
	return p, authority
}

// certify puts a certificate where a host's operator keeps them: "blog" as certbot does,
// others in one file. It returns its number.
func (p *project) certify(host string, authority certs.Pair, name string, until time.Time, names ...string) string {
	p.Helper()
	pair := authority.Issue(p, x509.Certificate{DNSNames: names, NotAfter: until})
	chain, key := pair.PEM(p)
	folder := p.c.CertificatesDir(host)
	files := map[string][]byte{name + ".pem": append(chain, key...)}
	if name == "blog" {
		files = map[string][]byte{"blog/fullchain.pem": chain, "blog/privkey.pem": key}
	}
	for file, content := range files {
		path := filepath.Join(folder, file)
		p.must(os.MkdirAll(filepath.Dir(path), 0o700))
		p.must(os.WriteFile(path+".next", content, 0o600))
		p.must(os.Rename(path+".next", path))
	}
	return pair.Cert.SerialNumber.String()
}

// visitor has clients of one balancer.
type visitor struct {
	*project
	address   string
	authority certs.Pair
}

func (v visitor) dial(ctx context.Context, network, to string) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(to)
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(v.address, port))
}

func (v visitor) client(http2 bool) *http.Client {
	transport := &http.Transport{DialContext: v.dial, ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{RootCAs: v.authority.Pool()}}
	v.Cleanup(transport.CloseIdleConnections)
	jar, err := cookiejar.New(nil)
	v.must(err)
	return &http.Client{Transport: transport, Jar: jar, Timeout: 20 * time.Second}
}

func (v visitor) get(c *http.Client, url string) (*http.Response, string) {
	v.Helper()
	response, err := c.Get(url)
	v.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	v.must(err)
	return response, string(body)
}

// byHostAndPath finds each service on the ports that they share.
func (v visitor) byHostAndPath() {
	v.Helper()
	for url, version := range map[string]string{
		"http://shop.example:7480/": "1", "http://shop.example:7480/clients": "1", "http://blog.example:7480/": "2", "http://a.b.blog.example:7480/": "2",
		"http://shop.example:7480/api/x?y": "3", "http://shop.example:7480/client": "3", "http://elsewhere.example:7480/": "", "https://shop.example:7443/": "1", "https://shop.example:7443/api": "3",
	} {
		response, body := v.get(v.client(false), url)
		if got := response.Header.Get("X-Version"); got != version || version == "" && response.StatusCode != http.StatusNotFound {
			v.Errorf("%s: %s by version %q: %s", url, response.Status, got, body)
		}
		if has := response.Header.Get("X-Blog") == "yes"; has != (version == "2") {
			v.Errorf("%s: its snippet's header: %v", url, has)
		}
	}
}

// overTLS speaks HTTP/2, with a certificate by name; so does curl.
func (v visitor) overTLS() {
	v.Helper()
	for _, host := range []string{"shop.example", "blog.example"} {
		if response, body := v.get(v.client(true), "https://"+host+":7443/"); response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
			v.Errorf("%s: %s %s: %s", host, response.Proto, response.Status, body)
		}
	}
	ca := filepath.Join(v.TempDir(), "ca.crt")
	v.must(os.WriteFile(ca, certs.PEM(v.authority.Cert), 0o600))
	out, err := exec.Command("curl", "--silent", "--show-error", "--http2", "--cacert", ca, "--connect-to", "shop.example:7443:"+v.address+":7443",
		"--write-out", "%{http_version} %{http_code}", "--output", "/dev/null", "https://shop.example:7443/").CombinedOutput()
	if err != nil || string(out) != "2 200" {
		v.Errorf("curl says %q, %v", out, err)
	}
}

// sticky: a client stays with its instance, and others go elsewhere.
func (v visitor) sticky() {
	v.Helper()
	seen := map[string]bool{}
	for range 10 {
		c := v.client(true)
		first, _ := v.get(c, "https://shop.example:7443/")
		seen[first.Header.Get("X-Instance")] = true
		for range 5 {
			if again, _ := v.get(c, "https://shop.example:7443/"); again.Header.Get("X-Instance") != first.Header.Get("X-Instance") {
				v.Fatalf("a client of %s is answered by %s", first.Header.Get("X-Instance"), again.Header.Get("X-Instance"))
			}
		}
	}
	if len(seen) != 2 {
		v.Errorf("all clients are at %v", seen)
	}
}

// webSocket talks over TLS, and in clear text.
func (v visitor) webSocket() {
	v.Helper()
	dialer := websocket.Dialer{NetDialContext: v.dial, TLSClientConfig: &tls.Config{RootCAs: v.authority.Pool(), NextProtos: []string{"http/1.1"}}, HandshakeTimeout: 10 * time.Second}
	for _, url := range []string{"wss://shop.example:7443/ws", "ws://blog.example:7480/ws"} {
		conn, response, err := dialer.Dial(url, nil)
		if err != nil {
			v.Errorf("%s: %v, %+v", url, err, response)
			continue
		}
		for _, text := range []string{"hello", "again"} {
			v.must(conn.WriteMessage(websocket.TextMessage, []byte(text)))
			if _, got, err := conn.ReadMessage(); err != nil || string(got) != text {
				v.Errorf("%s: %q, %v", url, got, err)
			}
			time.Sleep(time.Second)
		}
		conn.Close()
	}
}

// calls speaks gRPC, over TLS on the port that it shares with others, and in clear text.
func (v visitor) calls() {
	v.Helper()
	for target, with := range map[string]credentials.TransportCredentials{
		"shop.example:7443": credentials.NewTLS(&tls.Config{RootCAs: v.authority.Pool()}), "shop.example:7490": insecure.NewCredentials(),
	} {
		conn, err := grpc.NewClient("passthrough:///"+target, grpc.WithDisableRetry(), grpc.WithTransportCredentials(with),
			grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) { return v.dial(ctx, "tcp", to) }))
		v.must(err)
		var who wrapperspb.StringValue
		if err := conn.Invoke(v.ctx(), "/test.Echo/Say", wrapperspb.String("hi"), &who); err != nil || who.Value == "" {
			v.Errorf("%s: %q, %v", target, who.Value, err)
		}
		conn.Close()
	}
}

// addresses: the instance is told the client's, by header or by the PROXY protocol.
func (v visitor) addresses() {
	v.Helper()
	probe, err := net.Dial("udp", net.JoinHostPort(v.address, "9"))
	v.must(err)
	own := probe.LocalAddr().(*net.UDPAddr).IP.String()
	probe.Close()
	told := func(body string) (out map[string]string) {
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			v.Fatalf("%v: %s", err, body)
		}
		return out
	}
	_, body := v.get(v.client(true), "https://shop.example:7443/client")
	if got := told(body); got["forwarded"] != own || got["proto"] != "https" || !strings.HasPrefix(got["host"], "shop.example") {
		v.Errorf("by HTTP it is told %v, and the client is %s", got, own)
	}
	_, body = v.get(v.client(false), "http://x.example:7481/client")
	if got := told(body); !strings.HasPrefix(got["remote"], own+":") {
		v.Errorf("by the PROXY protocol it is told %v, and the client is %s", got, own)
	}
	ask := func(front string) string {
		conn, err := net.Dial("tcp", net.JoinHostPort(v.address, "7482"))
		v.must(err)
		defer conn.Close()
		v.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
		_, err = io.WriteString(conn, front+"GET /client HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		v.must(err)
		answer, _ := io.ReadAll(conn)
		return string(answer)
	}
	if answer := ask("PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n"); !strings.Contains(answer, `"forwarded":"192.0.2.7"`) {
		v.Errorf("from a balancer in front: %s", answer)
	}
	if answer := ask(""); strings.Contains(answer, " 200 ") {
		v.Errorf("without the PROXY protocol: %s", answer)
	}
}

// number is that of the certificate which is shown.
func (v visitor) number() string {
	conn, err := tls.Dial("tcp", net.JoinHostPort(v.address, "7443"), &tls.Config{RootCAs: v.authority.Pool(), ServerName: "shop.example"})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// wrong gives a service a snippet that a balancer rejects: it stays as it was, it is
// told, and others change on.
func (p *project) wrong(v visitor, host, driver, snippet string) {
	p.Helper()
	p.mustMuster("apply", "-f", p.file(fmt.Sprintf(asked, host, fmt.Sprintf(", %s: %q", driver, snippet))))
	p.until(30*time.Second, "the rejection is told", func() (bool, string) {
		list, err := p.c.Client.Pools(p.ctx(), p.key("web"))
		if err != nil {
			return false, err.Error()
		}
		for _, pool := range list.Items {
			if pool.Balancer == (fleet.BalancerKey{Host: host, Name: driver}) {
				return pool.Problem != "", fmt.Sprintf("%+v", pool)
			}
		}
		return false, fmt.Sprintf("%+v", list.Items)
	})
	p.says(p.mustMuster("lb", "show", "asked/web"), "problem: "+driver+" rejects the configuration")
	v.byHostAndPath()
	p.mustMuster("scale", "asked/blog=2", "--wait")
	p.apply(fmt.Sprintf(asked, host, ""))
	v.byHostAndPath()
}
