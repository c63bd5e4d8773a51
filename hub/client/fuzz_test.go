package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// FuzzEvents: a stream, however odd, comes to its end, and its events hold no
// more than the stream did. One that is written is read as it was.
func FuzzEvents(f *testing.F) {
	f.Add("id: 5\nevent: change\ndata: {\"revision\": 5,\ndata: \"hosts\": [\"web1\"]}\n\n: still here\n\nid: 9\nevent: reset\ndata: {}\n\n")
	f.Add("data\r\ndata:\r\n\r\nid\n\nevent:x\n\n:\n\n")
	f.Add("id: 7\nevent: chan")
	f.Fuzz(func(t *testing.T, stream string) {
		events := newEventReader(strings.NewReader(stream))
		size := 0
		for {
			event, err := events.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("ended with %v", err)
				}
				break
			}
			if size += len(event.id) + len(event.data); size > len(stream) || strings.Contains(event.id+event.name, "\n") {
				t.Fatalf("%d bytes of events, the last %+v, in %d of the stream", size, event, len(stream))
			}
			w := Watcher{Change: func(fleet.Change) error { return nil }, Reset: func(uint64) error { return nil }}
			if err := deliver(event, w); err != nil && event.name != "change" {
				t.Errorf("%+v ends the watch: %v", event, err)
			}
			wantSameEvent(t, event)
		}
	})
}

func wantSameEvent(t *testing.T, event streamEvent) {
	t.Helper()
	if event.name == "" || event.data == nil || strings.HasSuffix(event.id+event.name+string(event.data), "\r") || strings.Contains(string(event.data), "\r\n") {
		return // not one that the hub would write
	}
	text := "id: " + event.id + "\nevent: " + event.name + "\ndata: " + strings.ReplaceAll(string(event.data), "\n", "\ndata: ") + "\n\n"
	again, err := newEventReader(strings.NewReader(text)).next()
	if err != nil || again.id != event.id || again.name != event.name || !bytes.Equal(again.data, event.data) {
		t.Errorf("%q was read as %+v, %v", text, again, err)
	}
}

// FuzzProblem: an answer that is no success, whoever gave it, is an error with
// a code and words.
func FuzzProblem(f *testing.F) {
	f.Add(422, `{"title":"Unprocessable Entity","status":422,"detail":"two things","code":"invalid","errors":[{"path":"body.a","detail":"no","hint":"x"},{"detail":"b"}]}`)
	f.Add(503, `{"title":"Service Unavailable","status":503,"detail":"the disk is full","code":"unavailable"}`)
	f.Add(404, `{"title":"Not Found"}`)
	f.Add(502, "<html>Bad Gateway</html>")
	f.Add(599, `{"errors":[{}],"code":"x"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		err := problem(&http.Response{StatusCode: status, Status: strconv.Itoa(status), Body: io.NopCloser(strings.NewReader(body))})
		if err == nil || err.Error() == "" || fleet.CodeOf(err) == "" {
			t.Errorf("%d %q is %v", status, body, err)
		}
		if json.Valid([]byte(body)) {
			return
		}
		var e *fleet.Error
		if !errors.As(err, &e) || e.Hint == "" || e.Code != codeOf(status) {
			t.Errorf("%d %q is %+v", status, body, e)
		}
	})
}
