package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/musterhq/muster/examples/rank/register"
)

// FuzzEnter: a body is refused in words, or has a name that can be shown.
func FuzzEnter(f *testing.F) {
	f.Add(ann)
	f.Add(strings.Replace(ann, "Ann Lee", " Jürgen O'Neill-Łoś ", 1))
	f.Add(strings.Replace(ann, "Ann", "<script>", 1))
	f.Add(ann + ann)
	f.Add(`{"name":"Ann","age":"30"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		board := &fakeBoard{}
		w := ask(board, "POST", "/people", body)
		name := board.put.Name
		if w.Code != http.StatusOK {
			var why problem
			if err := json.Unmarshal(w.Body.Bytes(), &why); err != nil || w.Code/100 != 4 || why.Error == "" || name != "" {
				t.Errorf("refused with %d %s, and yet %q", w.Code, w.Body, name)
			}
			return
		}
		if n := utf8.RuneCountInString(name); n < 1 || n > register.MaxName || strings.ContainsAny(name, "<>&\"\n\x00\u202e") {
			t.Errorf("the name is %q", name)
		}
	})
}
