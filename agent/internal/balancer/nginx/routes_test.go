package nginx

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// ask sends one request for a host name and a path, and returns the answer's text.
func ask(t testing.TB, address, host, path string, cookies ...*http.Cookie) (string, *http.Response) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host, request.Close = host, true
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), response
}

// routedPool listens where another pool does, for some host names and paths.
func routedPool(t testing.TB, name string, port int, hosts, paths string) *fleet.Pool {
	t.Helper()
	pool := newPool(t, name)
	pool.Routes[0].Listen, pool.Routes[0].Hosts, pool.Routes[0].Paths = []int{port}, strings.Fields(hosts), strings.Fields(paths)
	pool.Endpoints = []fleet.Endpoint{newProgram(t, name).endpoint(fleet.EndpointReady)}
	return pool
}

// Services share a listener by host name and path. One comes, one goes and one is
// replaced under load: the others go on, on their connections too.
func TestServicesShareAListener(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	port := freePort(t)
	other := routedPool(t, "other", port, "", "")
	api := routedPool(t, "api", port, "shop.example", "/api /v1")
	below := routedPool(t, "below", port, "*.shop.example", "")
	shop := routedPool(t, "shop", port, "shop.example", "")
	at := address(other)
	r.apply(api, shop)
	r.ready(api, "api")
	r.ready(shop, "shop")
	wants := func(host, path, want string) {
		t.Helper()
		if body, response := ask(t, at, host, path); body != want && fmt.Sprint(response.StatusCode) != want {
			t.Errorf("%s%s: %s %q, want %s", host, path, response.Status, body, want)
		}
	}
	for path, want := range map[string]string{"/": "shop", "/api": "api", "/api/x?y": "api", "/api?x": "api", "/apis": "shop", "/v1/": "api"} {
		wants("shop.example", path, want)
		wants("SHOP.example:8080", path, want)
		wants("shop.example.:8080", path, want)
	}
	wants("elsewhere.example", "/api", "404")

	l := startLoadBy(t, client{address: at, host: "shop.example"}, 8, 5*time.Millisecond)
	r.apply(api, below, other, shop)
	r.ready(other, "other")
	r.ready(below, "below")
	wants("elsewhere.example", "/api", "other")
	wants("a.b.shop.example", "/api", "below")
	next := newProgram(t, "api-2")
	api.Endpoints = append(api.Endpoints, next.endpoint(fleet.EndpointReady))
	r.apply(api, below, other, shop)
	r.ready(api, "api-2")
	set(api, "api", fleet.EndpointDraining)
	r.apply(api, below, other, shop)
	r.drained(api, "api")
	wants("shop.example", "/api", "api-2")
	gone := &fleet.Pool{Service: api.Service, Removed: true}
	r.apply(other, gone, below, shop)
	wants("shop.example", "/api", "shop")
	l.lostNothing(t)
}

// A client that keeps its connection may ask for another service on it: while an old
// worker has such a client, nobody of that listener is drained.
func TestAnOldWorkersClientsOfASharedListenerHoldBackAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	port := freePort(t)
	api, shop := routedPool(t, "api", port, "", "/api"), routedPool(t, "shop", port, "", "")
	r.apply(api, shop)
	r.ready(api, "api")
	r.ready(shop, "shop")
	rests := &client{address: address(shop)}
	defer rests.close()
	if who, err := rests.post("/"); err != nil || who != "shop" {
		t.Fatal(who, err)
	}
	r.reload()
	set(api, "api", fleet.EndpointDraining)
	r.apply(api, shop)
	began := time.Now()
	for time.Since(began) < 2*time.Second {
		if endpointOf(r.now(), api.Service, "api").Drained && len(r.pids().old) > 0 {
			t.Fatal("drained, though an old worker may send there")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if who, err := rests.post("/api"); keepsClients && (err != nil || who != "api") {
		t.Errorf("on the connection that rested: %q, %v", who, err)
	}
	r.drained(api, "api")
}

// A snippet that nginx rejects keeps back its own service and nobody else; one that
// is right takes effect.
func TestASnippetThatNginxRejects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web, other := newPool(t, "web"), newPool(t, "other")
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a").endpoint(fleet.EndpointReady)}
	other.Endpoints = []fleet.Endpoint{newProgram(t, "o").endpoint(fleet.EndpointReady)}
	r.apply(other, web)
	r.ready(web, "a")
	web.Routes[0].Snippets = map[string]string{lbconf.DriverNginx: "add_header X-Shop $nothing_of_the_kind;"}
	other.Routes[0].Snippets = map[string]string{lbconf.DriverNginx: "# mine\nadd_header X-Shop 'a b';\n"}
	web.Endpoints = append(web.Endpoints, newProgram(t, "b").endpoint(fleet.EndpointReady))
	r.want(other, web)
	r.until("it says why", func(a fleet.BalancerActual) bool {
		return strings.Contains(poolOf(a, web.Service).Problem, "nothing_of_the_kind")
	})
	r.until("the other one is taken", func(a fleet.BalancerActual) bool { return poolOf(a, other.Service).Generation == other.Generation })
	if _, response := ask(t, address(other), "x", "/"); response.Header.Get("X-Shop") != "a b" {
		t.Errorf("its header is %q", response.Header.Get("X-Shop"))
	}
	if body, response := ask(t, address(web), "x", "/"); response.StatusCode != http.StatusOK || response.Header.Get("X-Shop") != "" {
		t.Errorf("what stays is %s %s", response.Status, body)
	}
	r.ready(web, "b") // who comes does so all the same
	delete(web.Routes[0].Snippets, lbconf.DriverNginx)
	web.Routes[0].Timeouts = &fleet.Timeouts{Request: fleet.Duration(300 * time.Millisecond), Idle: fleet.Duration(300 * time.Millisecond)}
	r.apply(other, web)
	if _, response := ask(t, address(web), "x", "/slow"); response.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("an answer that takes too long: %s", response.Status)
	}
	c := &client{address: address(web)}
	defer c.close()
	if _, err := c.post("/"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := c.reader.ReadByte(); err != io.EOF || time.Since(began) > 3*time.Second {
		t.Errorf("a client that rests: %v after %s", err, time.Since(began))
	}
}

// hello is a program that says what came before all else on each connection, and then
// what it hears.
func hello(t testing.TB) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				line, err := bufio.NewReader(conn).ReadString('\n')
				if err == nil {
					fmt.Fprintf(conn, "heard %s", line)
				}
			}()
		}
	}()
	return portOf(t, listener)
}

// The client's address reaches the program by the PROXY protocol, also from a balancer
// in front of this one; a client that doesn't speak it gets nowhere there.
func TestTheClientsAddressByThePROXYProtocol(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	raw, web := newPool(t, "raw"), newPool(t, "web")
	behind := freePort(t)
	raw.Check.Type = fleet.ProbeTCP
	raw.Routes[0].Protocol, raw.Routes[0].SendProxy = fleet.ProtocolTCP, true
	raw.Routes[0].Listen, raw.Routes[0].AcceptProxy = append(raw.Routes[0].Listen, behind), []int{behind}
	raw.Endpoints = []fleet.Endpoint{(&program{id: "raw", port: hello(t)}).endpoint(fleet.EndpointReady)}
	web.Routes[0].AcceptProxy = web.Routes[0].Listen
	web.Endpoints = []fleet.Endpoint{newProgram(t, "a", tells).endpoint(fleet.EndpointReady)}
	r.apply(raw, web)
	r.ready(raw, "raw")
	r.ready(web, "a")
	say := func(address, text string) string {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		heard, _ := io.ReadAll(conn)
		return string(heard)
	}
	const front = "PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n"
	if heard := say(address(raw), "hi\n"); !strings.HasPrefix(heard, "heard PROXY TCP4 127.0.0.1 "+loopback+" ") {
		t.Errorf("heard %q", heard)
	}
	host, _, _ := net.SplitHostPort(address(raw))
	if heard := say(fmt.Sprintf("%s:%d", host, behind), front+"hi\n"); !strings.HasPrefix(heard, "heard PROXY TCP4 192.0.2.7 "+loopback+" 4000 ") {
		t.Errorf("from a balancer in front: %q", heard)
	}
	const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if heard := say(address(web), front+request); !strings.HasSuffix(heard, "HTTP/1.1 x for 192.0.2.7 by ") {
		t.Errorf("by HTTP: %q", heard)
	}
	if heard := say(address(web), request); heard != "" {
		t.Errorf("without it: %q", heard)
	}
}
