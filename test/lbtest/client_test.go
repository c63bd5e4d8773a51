package lbtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A client tries again only where no answer came, on a connection that it had before.
func TestWhenAClientTriesAgain(t *testing.T) {
	for _, c := range []struct {
		name, first, path string
		again             bool
		requests          int64 // for the path
		want              string
	}{
		{"closed before the answer", "/", "/hang-up", true, 2, "answered, <nil>"},
		{"one that never does", "/", "/hang-up", false, 1, ", unexpected EOF"},
		{"on a new connection", "", "/hang-up", true, 1, ", unexpected EOF"},
		{"answered", "/", "/unavailable", true, 1, "no, status 503"},
		{"cut off in its answer", "/", "/cut-off", true, 1, "be, unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != c.path {
					return
				}
				first := requests.Add(1) == 1
				switch {
				case c.path == "/unavailable":
					w.Header().Set("Connection", "close")
					w.WriteHeader(http.StatusServiceUnavailable)
					fmt.Fprint(w, "no")
				case c.path == "/cut-off":
					w.Header().Set("Content-Length", "99")
					fmt.Fprint(w, "be")
				case first:
					hangUp(w, r)
				default:
					fmt.Fprint(w, "answered")
				}
			}))
			defer server.Close()
			client := &Client{Address: strings.TrimPrefix(server.URL, "http://"), Again: c.again}
			defer client.Close()
			if c.first != "" {
				if _, err := client.Post(c.first); err != nil {
					t.Fatal(err)
				}
			}
			body, err := client.Post(c.path)
			if got := fmt.Sprintf("%s, %v", body, err); got != c.want || requests.Load() != c.requests {
				t.Errorf("%s, by %d requests; want %s by %d", got, requests.Load(), c.want, c.requests)
			}
		})
	}
}
