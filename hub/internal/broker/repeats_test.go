package broker_test

import (
	"testing"

	"github.com/musterhq/muster/hub/internal/broker"
)

// A known sign of life is confirmed and told to the hub, whatever comes before
// and behind it, and isn't a message any more: it isn't kept anew. Who reads along
// gets every one.
func TestKnownSignsOfLifeAreNoMessages(t *testing.T) {
	h := open(t)
	presence, actual := topicOf("web1", "presence"), topicOf("web1", "actual")
	h.hub.known = "alive"
	a := join(t, h.addr, agent("web1"))
	var sent []byte
	for id := uint16(1); id <= 4; id++ {
		sent = append(sent, publishPacket(presence, "alive", true, id)...)
	}
	sent = append(sent, publishPacket(actual, "report", true, 5)...)
	a.send(sent)
	a.send(publishPacket(presence, "news", true, 6))
	for id := byte(1); id <= 6; id++ {
		if header, body, err := a.read(); err != nil || header != 0x40 || body[1] != id {
			t.Fatalf("confirmation %d is %#x %v, %v", id, header, body, err)
		}
	}
	if n := h.hub.heardAgain(); n != 4 {
		t.Errorf("the hub heard it %d times", n)
	}
	for payload, leaf := range map[string]string{"report": "actual", "news": "presence"} {
		if h.hub.count(said{"web1", leaf, "", payload}) != 1 {
			t.Errorf("%q didn't come through once", payload)
		}
	}
	if n := h.hub.count(said{"web1", "presence", "", "alive"}); n != 0 {
		t.Errorf("%d known ones are messages", n)
	}
	if got := h.Stats().MessagesReceived; got != 6 {
		t.Errorf("%d messages are counted", got)
	}
	a.say(actual, "another", true) // once that is confirmed, the news was passed on, too
	r := join(t, h.addr, reader("laptop"))
	r.subscribe(presence)
	if _, payload := r.hear(); payload != "news" {
		t.Fatalf("kept is %q", payload)
	}
	a.say(presence, "alive", true)
	if _, payload := r.hear(); payload != "alive" {
		t.Errorf("the reader got %q", payload)
	}
}

// Signs of life count for the rate like everything else.
func TestKnownSignsOfLifeAreSlowedDown(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.Rate, o.Burst = 1, 100 })
	h.hub.known = "alive"
	a := join(t, h.addr, agent("web1"))
	eventually(t, "the hub is told of it", func() bool {
		a.say(topicOf("web1", "presence"), "alive", true)
		return len(h.hub.told()) == 1
	})
	if h.hub.count(said{"web1", "presence", "", "alive"}) != 0 {
		t.Error("they are messages")
	}
}
