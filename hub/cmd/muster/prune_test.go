package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPruneAsksAPerson(t *testing.T) {
	for answer, want := range map[string]string{
		"y\n":   "1 image removed, 2 GiB at most",
		"Yes\n": "1 image removed, 2 GiB at most",
		"n\n":   "nothing was changed",
		"\n":    "nothing was changed",
		"":      "nothing was changed",
		"yet\n": "nothing was changed",
	} {
		var orders []string
		hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			orders = append(orders, body.String())
			_, _ = w.Write([]byte(`{"images": [{"id": "sha256:3", "names": ["shop/web:3"], "bytes": 2147483648}], "bytes": 2147483648}`))
		}))
		var stdout, stderr bytes.Buffer
		p := &program{stdin: strings.NewReader(answer), stdout: &stdout, stderr: &stderr, asks: true}
		code := p.run(t.Context(), []string{"muster", "prune", "--host", "web1", "--hub", hub.URL})
		hub.Close()
		if code != 0 || !strings.HasSuffix(stdout.String(), want+"\n") || !strings.Contains(stdout.String(), "1 image would be removed") {
			t.Errorf("%q: exit code %d\n%s%s", answer, code, &stdout, &stderr)
		}
		if removes := strings.Contains(want, "1 image"); len(orders) != 1 && !removes || len(orders) != 2 && removes || !strings.Contains(orders[0], "true") {
			t.Errorf("%q: the hub got %q", answer, orders)
		}
	}
}
