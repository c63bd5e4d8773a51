package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errEnough = errors.New("enough")

func change(revision int) string {
	return fmt.Sprintf("id: %d\nevent: change\ndata: {\"revision\": %d,\ndata: \"hosts\": [\"web1\"]}\n\n", revision, revision)
}

func TestWatchGoesOnWhereItBroke(t *testing.T) {
	var asked []string
	answers := []string{
		": watching\n\n" + change(5) + change(6) + "id: 7\nevent: chan", // breaks off
		"",
		"event: newer\ndata: x\n\n" + strings.ReplaceAll(change(7), "\n", "\r\n") + "id: 9\nevent: reset\ndata: {\"revision\": 9}\n\n",
		change(10),
	}
	c := hub(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		io.WriteString(w, answers[len(asked)-1])
	})
	var got []string
	problems := 0
	err := c.Watch(t.Context(), 4, client.Watcher{
		Change: func(change fleet.Change) error {
			got = append(got, fmt.Sprint(change.Revision))
			if change.Revision == 10 {
				return errEnough
			}
			return nil
		},
		Reset:   func(revision uint64) error { got = append(got, fmt.Sprint("reset ", revision)); return nil },
		Problem: func(error) { problems++ },
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if want := []string{"5", "6", "7", "reset 9", "10"}; !slices.Equal(got, want) {
		t.Errorf("heard %q", got)
	}
	if want := []string{"4", "6", "6", "9"}; !slices.Equal(asked, want) {
		t.Errorf("asked for what comes after %q", asked)
	}
	if problems != 2 {
		t.Errorf("%d problems", problems)
	}
}

func TestWatchBeginsAnewWhenTheHubIsSilent(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if connections.Add(1) == 1 {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done() // says nothing
			return
		}
		io.WriteString(w, change(1))
	}))
	defer server.Close()
	c, err := client.New(client.Options{URL: server.URL, Idle: 100 * time.Millisecond, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Watch(t.Context(), 0, client.Watcher{Change: func(fleet.Change) error { return errEnough }})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

func TestWatchEndsWhenItIsRefusedOrLeft(t *testing.T) {
	c := hub(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"detail":"no","code":"invalid"}`)
	})
	if err := c.Watch(t.Context(), 0, client.Watcher{}); fleet.CodeOf(err) != fleet.CodeInvalid {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	down := hub(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	err := down.Watch(ctx, 0, client.Watcher{Problem: func(error) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWatchBoundsAnEvent(t *testing.T) {
	c := hub(t, func(w http.ResponseWriter, r *http.Request) {
		line := "data: " + strings.Repeat("x", 1<<20) + "\n"
		for range 9 {
			io.WriteString(w, line)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var heard error
	_ = c.Watch(ctx, 0, client.Watcher{Problem: func(err error) { heard = err; cancel() }})
	if heard == nil || !strings.Contains(heard.Error(), "too long") {
		t.Errorf("got %v", heard)
	}
}
