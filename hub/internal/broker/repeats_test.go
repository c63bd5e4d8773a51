package broker_test

import "testing"

// A message that says nothing new costs no more than it has to while nobody
// reads along; who does gets every one.
func TestRepeatedMessagesAreForReaders(t *testing.T) {
	h := open(t)
	presence := topicOf("web1", "presence")
	a := join(t, h.addr, agent("web1"))
	say := func(payload string, repeats bool) {
		t.Helper()
		h.hub.mu.Lock()
		h.hub.repeats = repeats
		h.hub.mu.Unlock()
		if !a.say(presence, payload, true) {
			t.Fatalf("%q wasn't confirmed", payload)
		}
		if h.hub.count(said{"web1", "presence", "", payload}) != 1 {
			t.Fatalf("the hub didn't get %q", payload)
		}
	}
	say("1", false)
	say("2", true)
	r := join(t, h.addr, reader("laptop"))
	r.subscribe(presence)
	if _, payload := r.hear(); payload != "1" {
		t.Errorf("kept is %q: the repetition was kept anew", payload)
	}
	say("3", true)
	if _, payload := r.hear(); payload != "3" {
		t.Errorf("the reader got %q", payload)
	}
}
