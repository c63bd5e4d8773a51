package lbtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// browsing asks again and again, by HTTP/2 over one connection.
type browsing struct {
	sent, failed atomic.Int64
	last         atomic.Value
	stop         chan struct{}
	done         chan struct{}
}

func (d *Driver) startBrowsing(t testing.TB, client *http.Client, url string) *browsing {
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
			var body io.Reader = strings.NewReader("hi") // which can be sent anew
			if !d.SendsBack {
				body = struct{ io.Reader }{body}
			}
			response, err := client.Post(url, "text/plain", body)
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

func (b *browsing) lostNothing(t testing.TB) {
	t.Helper()
	b.end()
	t.Logf("%d of %d POSTs by HTTP/2 failed: %v", b.failed.Load(), b.sent.Load(), b.last.Load())
	if b.failed.Load() > 0 || b.sent.Load() == 0 {
		t.Error("requests were lost")
	}
}
