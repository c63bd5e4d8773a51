package loop

import (
	"reflect"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// FuzzAsk: a question is refused, or its answer has a topic of its own below
// this host's and is one that the hub takes.
func FuzzAsk(f *testing.F) {
	for _, ask := range []fleet.Ask{
		{ID: "ask-1", Do: fleet.AskLogs, TTL: 1, Instance: "1c-1", Tail: 100, Stream: "/v1/streams/x"},
		{ID: "ask-2", Do: fleet.AskCheck, Address: "10.0.0.2:8080"},
		{ID: "a/b"}, {ID: "+"}, {},
	} {
		body, err := wire.Encode(ask)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("L1", body)
	}
	f.Add("L2", []byte(`{"id":"ask-1"}`))
	f.Add("", []byte(`{"id":"ask-1"}`))
	f.Fuzz(func(t *testing.T, lineage string, body []byte) {
		payload, err := wire.SealRaw(lineage, 1, 1, body)
		if err != nil {
			payload = body
		}
		ask, err := readAsk("L1", payload)
		if err != nil {
			if !reflect.DeepEqual(ask, fleet.Ask{}) {
				t.Errorf("refused, and yet %+v: %v", ask, err)
			}
			return
		}
		topic := wire.Host("web1", wire.LeafResult+"/"+ask.ID)
		if host, leaf, id, ok := wire.HostTopic(topic); lineage != "L1" || !ok || host != "web1" || leaf != wire.LeafResult || id != ask.ID {
			t.Errorf("lineage %q, answered on %q", lineage, topic)
		}
		answer := fleet.Answer{ID: ask.ID, OK: true}
		if err := answer.Validate(); err != nil {
			t.Errorf("the hub refuses the answer: %v", err)
		}
	})
}
