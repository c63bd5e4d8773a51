package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

var web = fleet.ServiceKey{Project: "shop", Name: "web"}

// hub starts a server of one answer and returns a client of it.
func hub(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return newClient(t, server.URL)
}

func newClient(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: url, Timeout: 20 * time.Second, Idle: 20 * time.Second, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequests(t *testing.T) {
	key := client.Write{Key: "k1", IfMatch: 7}
	for _, test := range []struct {
		want string
		call func(ctx context.Context, c *client.Client) error
	}{
		{"GET /v1/version", func(ctx context.Context, c *client.Client) error { _, err := c.Version(ctx); return err }},
		{"GET /v1/services", func(ctx context.Context, c *client.Client) error { _, err := c.Services(ctx, ""); return err }},
		{"GET /v1/services?project=shop", func(ctx context.Context, c *client.Client) error { _, err := c.Services(ctx, "shop"); return err }},
		{"GET /v1/projects/shop/services/web", func(ctx context.Context, c *client.Client) error { _, err := c.Service(ctx, web); return err }},
		{"GET /v1/projects/shop/services/web/pools", func(ctx context.Context, c *client.Client) error { _, err := c.Pools(ctx, web); return err }},
		{"GET /v1/instances?host=web1&service=shop%2Fweb", func(ctx context.Context, c *client.Client) error {
			_, err := c.Instances(ctx, "shop/web", "web1")
			return err
		}},
		{"GET /v1/hosts", func(ctx context.Context, c *client.Client) error { _, err := c.Hosts(ctx); return err }},
		{"GET /v1/hosts/a%2Fb", func(ctx context.Context, c *client.Client) error { _, err := c.Host(ctx, "a/b"); return err }},
		{"GET /v1/balancers", func(ctx context.Context, c *client.Client) error { _, err := c.Balancers(ctx); return err }},
		{"GET /v1/events?limit=5&since=3&type=t", func(ctx context.Context, c *client.Client) error {
			_, err := c.Events(ctx, client.EventFilter{Since: 3, Type: "t", Limit: 5})
			return err
		}},
		{`POST /v1/projects/shop/apply k1 "7" {"document":"d","prune":true}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Apply(ctx, "shop", client.Apply{Document: "d", Prune: true}, key)
			return err
		}},
		{`DELETE /v1/projects/shop/services/web k1 "7"`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Remove(ctx, web, key)
			return err
		}},
		{`POST /v1/projects/shop/services/web/scale k1 "7" {"count":0}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Scale(ctx, web, 0, key)
			return err
		}},
		{`POST /v1/projects/shop/services/web/restart k1 "7"`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Restart(ctx, web, key)
			return err
		}},
		{`POST /v1/projects/shop/services/web/freeze k1 "7"`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Freeze(ctx, web, key)
			return err
		}},
		{`POST /v1/projects/shop/services/web/unfreeze k1 "7"`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Unfreeze(ctx, web, key)
			return err
		}},
		{`POST /v1/hosts/web1/drain k1 "7"`, func(ctx context.Context, c *client.Client) error {
			_, err := c.HostDo(ctx, "web1", client.HostDrain, key)
			return err
		}},
		{"GET /v1/projects/shop/services/web/versions", func(ctx context.Context, c *client.Client) error { _, err := c.Versions(ctx, web); return err }},
		{"GET /v1/projects/shop/services/web/versions/3", func(ctx context.Context, c *client.Client) error {
			_, err := c.ServiceVersion(ctx, web, 3)
			return err
		}},
		{"GET /v1/projects/shop/services/web/diff", func(ctx context.Context, c *client.Client) error { _, err := c.Diff(ctx, web, 0, 0); return err }},
		{"GET /v1/projects/shop/services/web/diff?from=3&to=5", func(ctx context.Context, c *client.Client) error { _, err := c.Diff(ctx, web, 3, 5); return err }},
		{"GET /v1/projects/shop/services/web/rollout", func(ctx context.Context, c *client.Client) error { _, err := c.Rollout(ctx, web); return err }},
		{`POST /v1/projects/shop/services/web/rollback k1 "7" {"version":3}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Rollback(ctx, web, 3, key)
			return err
		}},
		{`POST /v1/projects/shop/services/web/rollout/promote k1 "7" {"rollout":31,"fully":true}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.RolloutDo(ctx, web, client.RolloutPromote, client.RolloutOrder{Rollout: 31, Fully: true}, key)
			return err
		}},
		{`POST /v1/hosts/web1/prune {"dryRun":true}`, func(ctx context.Context, c *client.Client) error { _, err := c.Prune(ctx, "web1", true); return err }},
		{`DELETE /v1/balancers/web1/haproxy`, func(ctx context.Context, c *client.Client) error {
			_, err := c.ForgetBalancer(ctx, fleet.BalancerKey{Host: "web1", Name: "haproxy"}, client.Write{})
			return err
		}},
	} {
		t.Run(test.want, func(t *testing.T) {
			var got string
			c := hub(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				parts := []string{r.Method, r.URL.RequestURI(), r.Header.Get("Idempotency-Key"), r.Header.Get("If-Match"), string(body)}
				got = strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
				io.WriteString(w, "{}")
			})
			if err := test.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestLogsAreStreamed(t *testing.T) {
	c := hub(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.RequestURI()) })
	for want, open := range map[string]func() (io.ReadCloser, error){
		"/v1/projects/shop/services/web/logs?tail=5": func() (io.ReadCloser, error) { return c.ServiceLogs(t.Context(), web, client.LogQuery{Tail: 5}) },
		"/v1/instances/a1-1/logs?tail=7":             func() (io.ReadCloser, error) { return c.InstanceLogs(t.Context(), "a1-1", client.LogQuery{Tail: 7}) },
	} {
		stream, err := open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(stream)
		stream.Close()
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestErrorsAreTheOperators(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body       string
		code, want string
	}{
		"one":       {409, `{"title":"Conflict","detail":"frozen","code":"conflict","path":"p","hint":"h"}`, fleet.CodeConflict, "p: frozen (h)"},
		"several":   {422, `{"detail":"a","code":"invalid","errors":[{"path":"x","detail":"a","hint":"b"},{"path":"body.y","detail":"c"}]}`, fleet.CodeInvalid, "x: a (b)\ny: c"},
		"no code":   {412, `{"title":"Precondition Failed"}`, fleet.CodePrecondition, "Precondition Failed"},
		"no hub":    {404, `<html>`, fleet.CodeNotFound, "which no hub says"},
		"proxy":     {502, ``, fleet.CodeUnavailable, "502"},
		"fault":     {500, `{"detail":"oops"}`, fleet.CodeInternal, "oops"},
		"malformed": {400, `{}`, fleet.CodeInvalid, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			c := hub(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			_, err := c.Hosts(t.Context())
			if err == nil || fleet.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, code %s", err, fleet.CodeOf(err))
			}
			if errors.Is(err, client.ErrUnreachable) {
				t.Error("an answer is no silence")
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	_, err := newClient(t, url).Hosts(t.Context())
	if !errors.Is(err, client.ErrUnreachable) || fleet.CodeOf(err) != fleet.CodeUnavailable {
		t.Errorf("got %v", err)
	}

	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	c, err := client.New(client.Options{URL: slow.URL, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Hosts(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Hosts(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "hub", "ftp://hub", "http://", "://"} {
		if _, err := client.New(client.Options{URL: url}); fleet.CodeOf(err) != fleet.CodeInvalid {
			t.Errorf("%q: %v", url, err)
		}
	}
}
