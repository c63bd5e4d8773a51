package fleetloop

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/turn"
)

// picky is a bus that refuses one topic.
type picky struct {
	fakeBus
	refuses string
}

func (b *picky) Publish(topic string, payload []byte, retain bool) error {
	if topic == b.refuses {
		return errors.New("too large")
	}
	return b.fakeBus.Publish(topic, payload, retain)
}

func TestAMessageThatCannotGoOutHoldsUpNoOther(t *testing.T) {
	bus := &picky{refuses: "b"}
	o := DefaultOptions()
	o.State = turn.New("lineage", 1, 0, time.Now(), turn.DefaultOptions())
	o.Bus, o.Logger = bus, slog.New(slog.DiscardHandler)
	New(o, time.Now()).publish([]turn.Publish{{Topic: "a"}, {Topic: "b"}, {Topic: "c"}})
	if !slices.Equal(bus.topics, []string{"a", "c"}) {
		t.Errorf("published %v", bus.topics)
	}
}
