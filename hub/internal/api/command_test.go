package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// commanderFunc is a Commander.
type commanderFunc func(ctx context.Context, by fleet.Principal, about string, command []byte) fleet.CommandResult

func (f commanderFunc) Do(ctx context.Context, by fleet.Principal, about string, command []byte) fleet.CommandResult {
	return f(ctx, by, about, command)
}

func TestCommandsAreHandedOn(t *testing.T) {
	var got []string
	s := serve(t, func(o *Options) {
		o.Commands = commanderFunc(func(_ context.Context, by fleet.Principal, about string, command []byte) fleet.CommandResult {
			got = append(got, by.Name+" "+string(by.Role)+": "+about+": "+string(command))
			return fleet.CommandResult{ID: "r1", OK: len(got) == 1, Do: "ping", By: by.Name, Message: "it answers", Code: fleet.CodeConflict}
		})
	})
	for _, body := range []string{`{"target":"web1","text":"ping --id r1"}`, `{"target":"shop/web","order":{"do":"scale","args":{"count":5}}}`} {
		a := s.call("POST", "/v1/command", body)
		if r := decode[fleet.CommandResult](t, a); a.status != 200 || r.ID != "r1" || r.OK != (len(got) == 1) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	want := []string{"anonymous admin: web1: ping --id r1", `anonymous admin: shop/web: {"args":{"count":5},"do":"scale"}`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	for _, body := range []string{"", "{}", `{"target":"web1"}`, `{"target":"web1","text":"ping","order":{"do":"ping"}}`, `{"text":"ping"}`, `{"target":"web1","text":"ping","more":1}`, `{"target":"web1","order":[1]}`} {
		if a := s.call("POST", "/v1/command", body); a.status/100 != 4 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func TestAHubThatStopsWaitsForNoCommand(t *testing.T) {
	begun := make(chan struct{})
	s := serve(t, func(o *Options) {
		o.Commands = commanderFunc(func(ctx context.Context, _ fleet.Principal, _ string, _ []byte) fleet.CommandResult {
			close(begun)
			<-ctx.Done()
			return fleet.CommandResult{Message: "the hub is stopping"}
		})
	})
	go func() {
		<-begun
		s.api.endStreams()
	}()
	if a := s.call("POST", "/v1/command", `{"target":"web1","text":"prune"}`); !strings.Contains(a.body, "the hub is stopping") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestServicesAreStoppedAndStarted(t *testing.T) {
	s := serve(t)
	for verb, do := range map[string]string{"stop": fleet.DoStop, "start": fleet.DoStart} {
		s.call("POST", "/v1/projects/shop/services/web/"+verb, "")
		if got := s.fleet.last(t); got.Do != do || got.Service != web {
			t.Errorf("%s: %+v", verb, got)
		}
	}
}

// TestTheTailOfLogs: what is too much loses its beginning, by whole lines.
func TestTheTailOfLogs(t *testing.T) {
	lines := strings.Repeat("0123456789\n", 10_000)
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"a\nb\n", 100, "a\nb\n"}, {"a\nb\n", 4, "a\nb\n"}, {"a\nb\n", 3, "b\n"}, {"", 10, ""},
		{lines, 35, "0123456789\n0123456789\n0123456789\n"}, {strings.Repeat("x", 100), 10, "xxxxxxxxxx"}, {"\xff\n", 10, "\uFFFD\n"},
	} {
		got, err := lastBytes(strings.NewReader(test.text), test.most)
		if err != nil || got != test.want {
			t.Errorf("the last %d of %.20q: %q, %v", test.most, test.text, got, err)
		}
	}
	var s *server
	ended := make(chan error, 1)
	s = serve(t, func(o *Options) {
		o.Asker = askerFunc(func(host string, ask fleet.Ask) error {
			go func() {
				resp, err := http.Post(s.url+ask.Stream, "application/octet-stream", strings.NewReader("one\ntwo\n"))
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				ended <- err
			}()
			return nil
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if text, err := s.api.Tail(ctx, "web1", "1c-1", 2, 5); err != nil || text != "two\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
