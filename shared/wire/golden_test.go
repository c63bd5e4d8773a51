package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/wire"
)

// The files in testdata are messages as they are on the wire, one for each
// form that a kind of message ever had: presence.1.json, presence.2.json …
// They are never changed. -update adds one for a new form.
var update = flag.Bool("update", false, "add a file for each message that has a new form")

// plain messages travel without an envelope.
var plain = []string{"event", "result"}

func TestTodaysMessagesAreReleased(t *testing.T) {
	for kind, message := range messages {
		if missing := unset(reflect.ValueOf(message), kind); len(missing) > 0 {
			t.Errorf("the example lacks %s", strings.Join(missing, ", "))
		}
		payload, err := wire.Seal("lineage", 1767355200, 42, message)
		if slices.Contains(plain, kind) {
			payload, err = wire.Encode(message)
		}
		if err != nil {
			t.Fatal(err)
		}
		files := released(t, kind)
		if slices.ContainsFunc(files, func(file string) bool { return bytes.Equal(read(t, file), payload) }) {
			continue
		}
		if !*update {
			t.Errorf("%s has a form that is in no file (make generate adds it):\n%s", kind, payload)
			continue
		}
		name := filepath.Join("testdata", fmt.Sprintf("%s.%d.json", kind, len(files)+1))
		if err := os.WriteFile(name, append(payload, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReleasedMessages(t *testing.T) {
	for kind, message := range messages {
		files := released(t, kind)
		if len(files) == 0 {
			t.Errorf("there is no %s", kind)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				payload := read(t, file)
				body := reflect.New(reflect.TypeOf(message).Elem()).Interface()
				again, err := rewritten(kind, payload, body)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(again, payload) {
					t.Errorf("written again it is\n%s", again)
				}
				if v, ok := body.(interface{ Validate() error }); ok {
					if err := v.Validate(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// rewritten reads a message into body and writes it again.
func rewritten(kind string, payload []byte, body any) ([]byte, error) {
	if slices.Contains(plain, kind) {
		if err := json.Unmarshal(payload, body); err != nil {
			return nil, err
		}
		return wire.Encode(body)
	}
	env, err := wire.Open(payload, body)
	if err != nil {
		return nil, err
	}
	return wire.Seal(env.Lineage, env.Epoch, env.Generation, body)
}

func released(t *testing.T, kind string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", kind+".*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(data, []byte("\n"))
}

// unset names the fields that have their zero value.
func unset(v reflect.Value, path string) (missing []string) {
	if v.IsZero() {
		return []string{path}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return unset(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			missing = append(missing, unset(v.Index(i), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			missing = append(missing, unset(v.MapIndex(key), fmt.Sprintf("%s[%v]", path, key))...)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range v.NumField() {
			missing = append(missing, unset(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
	}
	return missing
}
