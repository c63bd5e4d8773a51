package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/examples/rank/board"
)

var errAway = errors.New("dial tcp 10.0.0.9:6379: connection refused")

// fakeBoard has one person, Ann, on rank 2 of 3; or fails.
type fakeBoard struct {
	err error
	put board.Person
}

func (f *fakeBoard) Put(_ context.Context, p board.Person) (board.Standing, error) {
	f.put = p
	return board.Standing{Rank: 2, People: 3}, f.err
}

func (f *fakeBoard) Get(_ context.Context, name string) (board.Person, board.Standing, error) {
	if f.err == nil && name != "Ann Lee" {
		return board.Person{}, board.Standing{}, board.ErrNotFound
	}
	return board.Person{Name: name, Percent: 20.5}, board.Standing{Rank: 2, People: 3}, f.err
}

func (f *fakeBoard) Top(_ context.Context, n int) ([]board.Entry, int64, error) {
	return []board.Entry{{Rank: 1, Name: "<Ann>", Percent: 20.5}}[:min(n, 1)], 3, f.err
}

func (f *fakeBoard) ready(context.Context) error { return f.err }

func ask(f *fakeBoard, method, target, body string, header ...string) *httptest.ResponseRecorder {
	handler := Handler(Options{
		Board: f, Ready: f.ready, Version: "7", Instance: "i1",
		Now: func() time.Time { return time.Unix(1e9, 0) }, Log: slog.New(slog.DiscardHandler),
	})
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

const ann = `{"name":"Ann Lee","sex":"female","age":30,"height":165,"weight":60,"waist":70,"neck":32,"hip":95}`

func TestEnter(t *testing.T) {
	f := &fakeBoard{}
	w := ask(f, "POST", "/people", ann)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := map[string]any{
		"name": "Ann Lee", "percent": 24.9, "rank": 2.0, "people": 3.0,
		"recorded_by": "i1", "recorded_at": "2001-09-09T01:46:40Z", "version": "7", "instance": "i1",
		"formula": "US Navy circumference method for women (Hodgdon and Beckett, NHRC Report 84-29, 1984; Siri 1961)",
	}
	if !maps.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	if f.put.Name != "Ann Lee" || f.put.Percent != 24.9 {
		t.Fatalf("entered %+v", f.put)
	}
	w = ask(f, "POST", "/people", strings.Replace(ann, `,"hip":95`, "", 1))
	if !strings.Contains(w.Body.String(), `"hint":"give waist, neck and hip`) {
		t.Fatalf("no hint: %s", w.Body)
	}
}

func TestRefusals(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(ann, from, to, 1) }
	for _, c := range []struct {
		name, body string
		status     int
		field      string
	}{
		{"nothing", ``, 400, ""},
		{"not JSON", `name=Ann`, 400, ""},
		{"cut", ann[:20], 400, ""},
		{"an array", `[1]`, 400, ""},
		{"two objects", ann + ann, 400, ""},
		{"too large", `{"name":"` + strings.Repeat("x", 5000) + `"}`, 413, ""},
		{"too large after the object", ann + strings.Repeat(" ", 5000), 413, ""},
		{"no name", change(`"Ann Lee"`, `"  "`), 400, "name"},
		{"long name", change(`Ann Lee`, strings.Repeat("长", 41)), 400, "name"},
		{"name with a slash", change(`Ann Lee`, `a/b`), 400, "name"},
		{"name is ..", change(`Ann Lee`, `..`), 400, "name"},
		{"unknown field", change(`"age"`, `"years"`), 400, "years"},
		{"text for a number", change(`165`, `"165"`), 400, "height"},
		{"half a year", change(`30`, `30.5`), 400, "age"},
		{"number for a text", change(`"female"`, `1`), 400, "sex"},
		{"metres", change(`165`, `1.65`), 400, "height"},
		{"no weight", change(`,"weight":60`, ``), 400, "weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeBoard{}
			w := ask(f, "POST", "/people", c.body)
			var got problem
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.status)
			}
			if got.Field != c.field || !strings.HasPrefix(got.Error, c.field) || got.Error == "" || got.Instance != "i1" {
				t.Fatalf("%+v, want field %q", got, c.field)
			}
			if f.put.Name != "" {
				t.Fatalf("entered all the same: %+v", f.put)
			}
		})
	}
	for _, name := range []string{"李雷", "Zoë O'Hara-Smith", "R2D2"} {
		if w := ask(&fakeBoard{}, "POST", "/people", change("Ann Lee", name)); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestPages(t *testing.T) {
	away := &fakeBoard{err: errAway}
	browser := "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, c := range []struct {
		board          *fakeBoard
		method, target string
		accept         string
		status         int
		mediaType      string
		contains       string
	}{
		{nil, "GET", "/", "", 200, "text/plain; charset=utf-8", "version 7, instance i1"},
		{nil, "GET", "/board", "*/*", 200, "application/json", `"rank":1,`},
		{nil, "GET", "/board", "", 200, "application/json", `"people":3,"version":"7","instance":"i1"`},
		{nil, "GET", "/board", browser, 200, "text/html; charset=utf-8", "&lt;Ann&gt;"},
		{nil, "GET", "/board", "text/plain", 200, "text/plain; charset=utf-8", "   1   20.5 %  <Ann>"},
		{nil, "GET", "/board", "text/*;q=0.5, application/json;q=0.4", 200, "text/html; charset=utf-8", "Answered by i1, version 7"},
		{nil, "GET", "/board?top=0", "", 400, "application/json", `"field":"top"`},
		{nil, "GET", "/board?top=101", "", 400, "application/json", `"field":"top"`},
		{nil, "GET", "/people/Ann%20Lee", "", 200, "application/json", `"rank":2,`},
		{nil, "GET", "/people/Bob", "", 404, "application/json", `"field":"name"`},
		{nil, "GET", "/healthz", "", 200, "application/json", `"status":"ok"`},
		{nil, "GET", "/nowhere", "", 404, "application/json", "GET / lists them"},
		{nil, "DELETE", "/board", "", 405, "application/json", "GET only"},
		{nil, "GET", "/people", "", 405, "application/json", "POST only"},
		{away, "POST", "/people", "", 503, "application/json", "store does not answer"},
		{away, "GET", "/people/Ann", "", 503, "application/json", "store does not answer"},
		{away, "GET", "/board", "", 503, "application/json", "store does not answer"},
		{away, "GET", "/healthz", "", 503, "application/json", "store does not answer"},
		{away, "GET", "/", "", 200, "text/plain; charset=utf-8", "POST /people"},
	} {
		t.Run(c.method+" "+c.target+" "+c.accept, func(t *testing.T) {
			f := c.board
			if f == nil {
				f = &fakeBoard{}
			}
			w := ask(f, c.method, c.target, ann, "Accept", c.accept)
			body := w.Body.String()
			if w.Code != c.status || w.Header().Get("Content-Type") != c.mediaType || !strings.Contains(body, c.contains) {
				t.Fatalf("%d %s\n%s", w.Code, w.Header().Get("Content-Type"), body)
			}
			if w.Header().Get("X-Version") != "7" || w.Header().Get("X-Instance") != "i1" {
				t.Errorf("headers: %v", w.Header())
			}
			if strings.Contains(body, "10.0.0.9") {
				t.Errorf("the answer tells an address: %s", body)
			}
			if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
}
