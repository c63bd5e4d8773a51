package broker_test

import (
	"bytes"
	"testing"
)

// What the hub last said to an agent is the answer to each sign of life, behind the
// confirmation, as long as the hub is alive. Before it has said something, there is
// none.
func TestASignOfLifeIsAnswered(t *testing.T) {
	h := open(t)
	presence, ack := topicOf("web1", "presence"), topicOf("web1", "ack")
	publish := func(words string) {
		t.Helper()
		if err := h.Publish(ack, []byte(words), false); err != nil {
			t.Error(err)
		}
	}
	h.hub.known = "alive"
	a := join(t, h.addr, agent("web1"))
	publish("too early")
	id := byte(0)
	confirmed := func() {
		t.Helper()
		id++
		a.send(publishPacket(presence, "alive", true, uint16(id)))
		if header, body, err := a.read(); err != nil || header != 0x40 || body[1] != id {
			t.Fatalf("confirmation %d is %#x %v, %v", id, header, body, err)
		}
	}
	answers := func(from *peer, words string) {
		t.Helper()
		if topic, payload := from.hear(); topic != ack || payload != words {
			t.Fatalf("the answer is %q on %s", payload, topic)
		}
	}
	confirmed() // it hasn't asked for answers
	a.subscribe(ack)
	publish("taken in")
	answers(a, "taken in")
	for range 3 {
		confirmed()
		answers(a, "taken in")
	}
	publish("more")
	answers(a, "more")
	confirmed()
	answers(a, "more")
	if h.hub.heardAgain() != 5 || h.hub.answered != 4 {
		t.Errorf("of %d times it was answered %d", h.hub.heardAgain(), h.hub.answered)
	}

	h.hub.mu.Lock()
	h.hub.stuck = true
	h.hub.mu.Unlock()
	confirmed()
	confirmed()
	publish("at last")
	answers(a, "at last")
}

// Another session is told nothing that was for the one before.
func TestAnswersAreOfTheSession(t *testing.T) {
	h := open(t)
	h.hub.known = "alive"
	presence, ack := topicOf("web1", "presence"), topicOf("web1", "ack")
	for range 2 {
		a := join(t, h.addr, agent("web1"))
		a.subscribe(ack)
		a.send(bytes.Join([][]byte{publishPacket(presence, "alive", true, 1), publishPacket(presence, "alive", true, 2)}, nil))
		for id := byte(1); id <= 2; id++ {
			if header, body, err := a.read(); err != nil || header != 0x40 || body[1] != id {
				t.Fatalf("confirmation %d is %#x %v, %v", id, header, body, err)
			}
		}
		if err := h.Publish(ack, []byte("taken in"), false); err != nil {
			t.Error(err)
		}
		a.hear()
	}
}

// Who reads along gets every answer from the hub itself.
func TestAnswersAreForReadersToo(t *testing.T) {
	h := open(t)
	h.hub.known = "alive"
	presence, ack := topicOf("web1", "presence"), topicOf("web1", "ack")
	a := join(t, h.addr, agent("web1"))
	a.subscribe(ack)
	r := join(t, h.addr, reader("laptop"))
	r.subscribe(ack)
	if err := h.Publish(ack, []byte("taken in"), false); err != nil {
		t.Error(err)
	}
	r.hear()
	a.hear()
	a.say(presence, "alive", true)
	if n := h.hub.count(said{"web1", "presence", "", "alive"}); n != 1 || h.hub.heardAgain() != 0 {
		t.Errorf("it came to the hub as a message %d times, and %d times as known", n, h.hub.heardAgain())
	}
}
