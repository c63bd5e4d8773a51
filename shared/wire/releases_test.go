package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// testdata/previous has each kind of message as the previous release writes it, with
// all that it knows. A test in test/previous copies them from that release's commit,
// and is run with -update when another release becomes the previous one.
//
// testdata/next has them as a next release may write them: today's, with fields that
// nobody knows yet in every object. They are made anew by -update, when a message
// gets a field.

func messagesOf(t *testing.T, release string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", release, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	out := map[string][]byte{}
	for _, file := range files {
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = read(t, file)
	}
	return out
}

// What the previous release says is read whole: written again it is the same.
func TestMessagesOfThePreviousRelease(t *testing.T) {
	for kind, payload := range messagesOf(t, "previous") {
		body := reflect.New(reflect.TypeOf(messages[kind]).Elem()).Interface()
		again, err := rewritten(kind, payload, body)
		if err != nil || !bytes.Equal(again, payload) {
			t.Errorf("%s: %v, written again it is\n%s", kind, err, again)
		}
		if v, ok := body.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		switch body := body.(type) {
		case *fleet.Actual:
			if b := body.Facts.Balancers[0]; b.Features != nil || body.Prepared != nil {
				t.Errorf("an agent of then knows %v, and prepares %v", b.Features, body.Prepared)
			}
		case *fleet.Desired:
			if body.Prepare != nil || body.Keep != nil || body.Pins != nil {
				t.Errorf("a hub of then asks for more: %+v", body)
			}
		case *fleet.Pool:
			if body.Measure {
				t.Error("a hub of then takes no counts")
			}
		}
	}
}

// What a next release says besides changes nothing of what is read.
func TestMessagesOfTheNextRelease(t *testing.T) {
	for kind, message := range messages {
		file := filepath.Join("testdata", "next", kind+".json")
		if *update {
			if err := os.WriteFile(file, append(ofNext(t, kind, message), '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		payload := messagesOf(t, "next")[kind]
		if !bytes.Equal(payload, ofNext(t, kind, message)) {
			t.Errorf("%s isn't today's with more in it (make generate writes it)", kind)
		}
		body := reflect.New(reflect.TypeOf(message).Elem()).Interface()
		again, err := rewritten(kind, payload, body)
		if err != nil || !reflect.DeepEqual(body, message) {
			t.Errorf("%s: %v, read as\n%s", kind, err, again)
		}
		if v, ok := body.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

// ofNext is a message with a new field in every object, in an envelope that has one,
// too.
func ofNext(t *testing.T, kind string, message any) []byte {
	t.Helper()
	raw, err := wire.Encode(message)
	if err != nil {
		t.Fatal(err)
	}
	body := grown(t, raw, reflect.TypeOf(message))
	if slices.Contains(plain, kind) {
		return body
	}
	sealed, err := wire.SealRaw("lineage", 1767355200, 42, body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(sealed, []byte(`"v":1,`), []byte(`"v":2,"later":true,`), 1)
}

// grown adds a field to each object that is a struct's.
func grown(t *testing.T, raw []byte, kind reflect.Type) []byte {
	t.Helper()
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch {
	case len(raw) > 0 && raw[0] == '[' && kind.Kind() == reflect.Slice && kind != reflect.TypeFor[json.RawMessage]():
		var items, out []json.RawMessage
		decode(t, raw, &items)
		for _, item := range items {
			out = append(out, grown(t, item, kind.Elem()))
		}
		return encode(t, out)
	case len(raw) == 0 || raw[0] != '{' || kind == reflect.TypeFor[json.RawMessage]():
		return raw
	}
	var fields map[string]json.RawMessage
	decode(t, raw, &fields)
	if kind.Kind() == reflect.Map {
		for name := range fields {
			fields[name] = grown(t, fields[name], kind.Elem())
		}
		return encode(t, fields)
	}
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		if value, there := fields[name]; there {
			fields[name] = grown(t, value, kind.Field(i).Type)
		}
	}
	fields["later"] = json.RawMessage(`{"more":[1,"x",null]}`)
	return encode(t, fields)
}

func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := wire.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestSumsOfBefore: a spec that says nothing new has the sum that it had in the release
// that wrote it, or an upgraded hub would have the whole fleet replaced.
func TestSumsOfBefore(t *testing.T) {
	for file, want := range map[string]string{
		"desired.1.json": "94a874945aaa50ab", "desired.4.json": "94a874945aaa50ab", "desired.5.json": "770035645679ceed",
	} {
		var d fleet.Desired
		if _, err := wire.Open(read(t, filepath.Join("testdata", file)), &d); err != nil {
			t.Fatal(err)
		}
		spec := d.Versions["shop/web@3"]
		if got := spec.Sum(); got != want {
			t.Errorf("%s: the sum is %s, and was %s", file, got, want)
		}
	}
}
