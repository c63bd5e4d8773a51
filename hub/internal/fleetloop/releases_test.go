package fleetloop

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/wire"
)

// fileOf has the messages of agents by their leaf, as they are called in
// shared/wire/testdata.
var fileOf = map[string]string{
	wire.LeafPresence: "presence", wire.LeafActual: "actual", wire.LeafEvents: "events", wire.LeafResult: "answer", wire.LeafMetrics: "metrics",
}

func ofRelease(t *testing.T, release, kind string) []byte {
	t.Helper()
	payload, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "wire", "testdata", release, kind+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(payload)
}

// An agent one release older or newer is heard.
func TestMessagesOfOtherReleasesAreTaken(t *testing.T) {
	for leaf, kind := range fileOf {
		for _, release := range []string{"previous", "next"} {
			if release == "previous" && leaf == wire.LeafMetrics {
				continue // it had none
			}
			if in, err := decode("web1", leaf, ofRelease(t, release, kind)); err != nil || in == nil {
				t.Errorf("%s of the %s release: %v", kind, release, err)
			}
		}
	}
}

// A word for what is that nobody knows here is refused, as what it means can't be
// guessed, with the way out. One for what has happened is taken, and shown.
func TestWordsOfALaterRelease(t *testing.T) {
	for _, test := range []struct{ leaf, old, new string }{
		{wire.LeafPresence, `"state":"online"`, `"state":"dozing"`},
		{wire.LeafActual, `"phase":"backoff"`, `"phase":"checkpointed"`},
		{wire.LeafActual, `"state":"draining"`, `"state":"resting"`},
		{wire.LeafActual, `"check":"passing"`, `"check":"limping"`},
	} {
		_, err := decode("web1", test.leaf, reworded(t, test.leaf, test.old, test.new))
		if err == nil || !strings.Contains(err.Error(), "is not known (if the agent is of a later release than the hub, upgrade the hub)") {
			t.Errorf("%s: %v", test.new, err)
		}
	}
	in, err := decode("web1", wire.LeafEvents, reworded(t, wire.LeafEvents, `"type":"muster.instance.exited"`, `"type":"muster.instance.checkpointed"`))
	if events, ok := in.(turn.EventsIn); err != nil || !ok || events.Batch.Events[0].Type != "muster.instance.checkpointed" {
		t.Errorf("%+v, %v", in, err)
	}
}

func reworded(t *testing.T, leaf, from, to string) []byte {
	t.Helper()
	env, err := wire.Open(ofRelease(t, "next", fileOf[leaf]), nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Replace(env.Body, []byte(from), []byte(to), 1)
	if bytes.Equal(body, env.Body) {
		t.Fatalf("there is no %s in %s", from, body)
	}
	payload, err := wire.SealRaw(env.Lineage, env.Epoch, env.Generation, body)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
