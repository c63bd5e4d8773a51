package broker_test

import "testing"

// What the hub answers to a sign of life comes once, behind the confirmation.
// Readers get it, too.
func TestASignOfLifeIsAnswered(t *testing.T) {
	h := open(t)
	presence, ack := topicOf("web1", "presence"), topicOf("web1", "ack")
	publish := func() {
		if err := h.Publish(ack, []byte("taken in"), false); err != nil {
			t.Error(err)
		}
	}
	h.hub.known, h.hub.answers = "alive", publish
	a := join(t, h.addr, agent("web1"))
	a.subscribe(ack)
	heard := func(from *peer) {
		t.Helper()
		if topic, payload := from.hear(); topic != ack || payload != "taken in" {
			t.Fatalf("the answer is %q on %s", payload, topic)
		}
	}
	for id := uint16(1); id <= 3; id++ {
		a.send(publishPacket(presence, "alive", true, id))
		if header, body, err := a.read(); err != nil || header != 0x40 || body[1] != byte(id) {
			t.Fatalf("confirmation %d is %#x %v, %v", id, header, body, err)
		}
		heard(a)
	}
	publish() // nobody waits for it
	heard(a)

	h.hub.answers = nil
	a.send(publishPacket(presence, "alive", true, 4))
	eventually(t, "the hub hears it", func() bool { return h.hub.heardAgain() == 4 })
	publish()
	a.until(0x40)
	heard(a)

	r := join(t, h.addr, reader("laptop"))
	r.subscribe(ack)
	publish()
	heard(r)
	heard(a)
}

// An answer to something else that comes while a sign of life is looked at isn't
// lost.
func TestAnAnswerToSomethingElseComesThrough(t *testing.T) {
	h := open(t)
	ack := topicOf("web1", "ack")
	a := join(t, h.addr, agent("web1"))
	a.subscribe(ack)
	h.hub.answers = func() {
		if err := h.Publish(ack, []byte("taken in"), false); err != nil {
			t.Error(err)
		}
	}
	a.send(publishPacket(topicOf("web1", "presence"), "news", true, 1))
	if topic, payload := a.hear(); topic != ack || payload != "taken in" {
		t.Fatalf("the answer is %q on %s", payload, topic)
	}
	a.until(0x40)
	if h.hub.count(said{"web1", "presence", "", "news"}) != 1 {
		t.Error("the news didn't come through once")
	}
}

// A hub that doesn't answer holds nothing up for good.
func TestASignOfLifeWithoutAnAnswerIsConfirmed(t *testing.T) {
	h := open(t)
	h.hub.known = "alive"
	a := join(t, h.addr, agent("web1"))
	a.subscribe(topicOf("web1", "ack"))
	if !a.say(topicOf("web1", "presence"), "alive", true) {
		t.Fatal("it isn't confirmed")
	}
}
