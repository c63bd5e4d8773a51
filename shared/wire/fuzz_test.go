package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// FuzzOpen: a message is refused as invalid, or what is read of it stays the
// same however often it is written and read again.
func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var env wire.Envelope
		if err := json.Unmarshal(payload, &env); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimSpace(payload))
		f.Add([]byte(env.Body)) // it is sealed below: the fuzzer can't find a sum
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		payloads := [][]byte{data}
		if sealed, err := wire.SealRaw("lineage", 1, 2, data); err == nil {
			payloads = append(payloads, sealed)
		}
		for _, payload := range payloads {
			for kind, example := range messages {
				opened := reflect.New(reflect.TypeOf(example).Elem()).Interface()
				if env, err := wire.Open(payload, opened); err == nil {
					wantSame(t, kind, env, opened)
				} else if e, ok := err.(*fleet.Error); !ok || e.Code != fleet.CodeInvalid || !strings.HasPrefix(e.Path, "payload") {
					t.Errorf("%s: refused with %v", kind, err)
				}
			}
		}
	})
}

// wantSame writes what was read, reads that, and writes it once more.
func wantSame(t *testing.T, kind string, env wire.Envelope, body any) {
	t.Helper()
	first, err := wire.Seal(env.Lineage, env.Epoch, env.Generation, body)
	if err != nil {
		t.Errorf("%s can't be written again: %v", kind, err)
		return
	}
	if len(first) > wire.MaxMessage {
		return // escapes make it longer
	}
	again := reflect.New(reflect.TypeOf(body).Elem()).Interface()
	if _, err := wire.Open(first, again); err != nil {
		t.Errorf("%s was written as %s, which is refused: %v", kind, first, err)
		return
	}
	second, err := wire.Seal(env.Lineage, env.Epoch, env.Generation, again)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("%s is %s, and once more %s: %v", kind, first, second, err)
	}
}

// FuzzHostTopic: what is read of a topic makes the topic again, and names a
// host.
func FuzzHostTopic(f *testing.F) {
	for _, topic := range []string{
		wire.Host("web1", wire.LeafActual), wire.Pool("web1", web), wire.Host("web1", wire.LeafResult) + "/ask-1",
		wire.ServiceStatus(web), wire.EventTopic(fleet.EventHostJoined), wire.HubState, "muster/v1/hosts/+/actual", "muster/v1/hosts/web1/",
	} {
		f.Add(topic)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		host, leaf, rest, ok := wire.HostTopic(topic)
		if !ok {
			if host+leaf+rest != "" {
				t.Errorf("%q is none, and yet %q %q %q", topic, host, leaf, rest)
			}
			return
		}
		if err := fleet.ValidateHost(host); err != nil {
			t.Error(err)
		}
		if again := wire.Host(host, leaf); strings.Contains(leaf, "/") || topic != again && topic != again+"/"+rest {
			t.Errorf("%q was read as %q %q %q", topic, host, leaf, rest)
		}
	})
}
