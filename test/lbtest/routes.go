package lbtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// ServicesShareAListener by host name and path. One comes, one goes and one is
// replaced under load: the others go on, on their connections too.
func ServicesShareAListener(t *testing.T, d Driver) {
	r := NewRig(t, d)
	port := FreePort(t)
	other := RoutedPool(t, "other", port, "", "")
	api := RoutedPool(t, "api", port, "shop.example", "/api /v1")
	below := RoutedPool(t, "below", port, "*.shop.example", "")
	shop := RoutedPool(t, "shop", port, "shop.example", "")
	at := Address(other)
	r.Apply(api, shop)
	r.Ready(api, "api")
	r.Ready(shop, "shop")
	wants := func(host, path, want string) {
		t.Helper()
		if body, response := Ask(t, at, host, path); body != want && fmt.Sprint(response.StatusCode) != want {
			t.Errorf("%s%s: %s %q, want %s", host, path, response.Status, body, want)
		}
	}
	for path, want := range map[string]string{"/": "shop", "/api": "api", "/api/x?y": "api", "/api?x": "api", "/apis": "shop", "/v1/": "api"} {
		wants("shop.example", path, want)
		wants("SHOP.example:8080", path, want)
		wants("shop.example.:8080", path, want)
	}
	wants("elsewhere.example", "/api", "404")

	l := d.startLoadBy(t, Client{Address: at, host: "shop.example"}, 8, 5*time.Millisecond)
	r.Apply(api, below, other, shop)
	r.Ready(other, "other")
	r.Ready(below, "below")
	wants("elsewhere.example", "/api", "other")
	wants("a.b.shop.example", "/api", "below")
	next := NewProgram(t, "api-2")
	api.Endpoints = append(api.Endpoints, next.Endpoint(fleet.EndpointReady))
	reloads := r.Reloads.Load()
	r.Apply(api, below, other, shop)
	r.Ready(api, "api-2")
	Set(api, "api", fleet.EndpointDraining)
	r.Apply(api, below, other, shop)
	r.Drained(api, "api")
	wants("shop.example", "/api", "api-2")
	if now := r.Reloads.Load(); d.AsItRuns && now != reloads {
		t.Errorf("%d reloads for endpoints that come and go", now-reloads)
	}
	gone := &fleet.Pool{Service: api.Service, Removed: true}
	r.Apply(other, gone, below, shop)
	wants("shop.example", "/api", "shop")
	l.lostNothing(t)
}

// AnOldWorkersClientsOfASharedListenerHoldBackAll who are served on it: a client that keeps
// its connection may ask for another service on it.
func AnOldWorkersClientsOfASharedListenerHoldBackAll(t *testing.T, d Driver) {
	r := NewRig(t, d)
	port := FreePort(t)
	api, shop := RoutedPool(t, "api", port, "", "/api"), RoutedPool(t, "shop", port, "", "")
	r.Apply(api, shop)
	r.Ready(api, "api")
	r.Ready(shop, "shop")
	rests := &Client{Address: Address(shop)}
	defer rests.Close()
	if who, err := rests.Post("/"); err != nil || who != "shop" {
		t.Fatal(who, err)
	}
	r.Reload(t)
	Set(api, "api", fleet.EndpointDraining)
	r.Apply(api, shop)
	began := time.Now()
	for time.Since(began) < 2*time.Second {
		if EndpointOf(r.Now(), api.Service, "api").Drained && len(r.Processes(t).Old) > 0 {
			t.Fatal("drained, though an old worker may send there")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if who, err := rests.Post("/api"); d.KeepsClients && (err != nil || who != "api") {
		t.Errorf("on the connection that rested: %q, %v", who, err)
	}
	r.Drained(api, "api")
}

// ASnippetThatIsRejected keeps back its own service and nobody else; one that is right
// takes effect.
func ASnippetThatIsRejected(t *testing.T, d Driver) {
	r := NewRig(t, d)
	web, other := NewPool(t, "web"), NewPool(t, "other")
	web.Endpoints = []fleet.Endpoint{NewProgram(t, "a").Endpoint(fleet.EndpointReady)}
	other.Endpoints = []fleet.Endpoint{NewProgram(t, "o").Endpoint(fleet.EndpointReady)}
	r.Apply(other, web)
	r.Ready(web, "a")
	web.Routes[0].Snippets = map[string]string{d.Key: d.BadSnippet}
	other.Routes[0].Snippets = map[string]string{d.Key: d.Snippet}
	web.Endpoints = append(web.Endpoints, NewProgram(t, "b").Endpoint(fleet.EndpointReady))
	r.WantNext(other, web)
	r.Until("it says why", func(a fleet.BalancerActual) bool {
		return strings.Contains(PoolOf(a, web.Service).Problem, "nothing_of_the_kind")
	})
	r.Until("the other one is taken", func(a fleet.BalancerActual) bool { return PoolOf(a, other.Service).Generation == other.Generation })
	if _, response := Ask(t, Address(other), "x", "/"); response.Header.Get("X-Shop") != "a b" {
		t.Errorf("its header is %q", response.Header.Get("X-Shop"))
	}
	if body, response := Ask(t, Address(web), "x", "/"); response.StatusCode != http.StatusOK || response.Header.Get("X-Shop") != "" {
		t.Errorf("what stays is %s %s", response.Status, body)
	}
	r.Ready(web, "b") // who comes does so all the same
	delete(web.Routes[0].Snippets, d.Key)
	web.Routes[0].Timeouts = &fleet.Timeouts{Request: fleet.Duration(300 * time.Millisecond), Idle: fleet.Duration(300 * time.Millisecond)}
	r.Apply(other, web)
	if _, response := Ask(t, Address(web), "x", "/slow"); response.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("an answer that takes too long: %s", response.Status)
	}
	c := &Client{Address: Address(web)}
	defer c.Close()
	if _, err := c.Post("/"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := c.reader.ReadByte(); err != io.EOF || time.Since(began) > 3*time.Second {
		t.Errorf("a client that rests: %v after %s", err, time.Since(began))
	}
}
