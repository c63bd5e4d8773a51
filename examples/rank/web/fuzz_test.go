package web

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/musterhq/muster/examples/rank/bodyfat"
)

// FuzzReadPerson: a body is refused in words, or has a name that can be shown.
func FuzzReadPerson(f *testing.F) {
	f.Add(`{"name":"Ann","sex":"female","age":30,"height":170,"waist":70,"neck":32,"hip":95}`)
	f.Add(`{"name":" Jürgen O'Neill-Łoś ","age":"30"}`)
	f.Add(`{"name":"<script>"}`)
	f.Add(`{"name":"a"}{"name":"b"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		name, _, err := readPerson(strings.NewReader(body))
		if err != nil {
			var field *bodyfat.FieldError
			if err.Error() == "" || errors.As(err, &field) && field.Message == "" || name != "" {
				t.Errorf("refused with %q, and yet %q", err, name)
			}
			return
		}
		if n := utf8.RuneCountInString(name); n < 1 || n > maxName || strings.ContainsAny(name, "<>&\"\n\x00\u202e") {
			t.Errorf("the name is %q", name)
		}
	})
}
