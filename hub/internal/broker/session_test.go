package broker_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/internal/broker"
)

func lost(host string) said { return said{host, "presence", "", "lost"} }

func TestWillOfADeadAgentReachesTheHub(t *testing.T) {
	h := open(t)
	watcher := join(t, h.addr, reader("laptop"))
	watcher.subscribe(topicOf("+", "presence"))
	p := join(t, h.addr, agent("web1"))
	p.Close()
	eventually(t, "the Will reaches the hub", func() bool { return h.hub.count(lost("web1")) == 1 })
	if topic, payload := watcher.hear(); topic != topicOf("web1", "presence") || payload != "lost" {
		t.Fatalf("the reader heard %s on %s", payload, topic)
	}
}

func TestWillOfASilentAgentReachesTheHub(t *testing.T) {
	h := open(t)
	who := agent("web1")
	who.keepalive = 5
	join(t, h.addr, who)
	eventually(t, "the Will reaches the hub after 1.5 times the keepalive", func() bool { return h.hub.count(lost("web1")) == 1 })
}

func TestNoWillAfterAFarewell(t *testing.T) {
	h := open(t)
	p := join(t, h.addr, agent("web1"))
	p.send([]byte{0xe0, 0})
	p.gone()
	// A session ends before the next one of its host begins.
	join(t, h.addr, agent("web1"))
	if n := h.hub.count(lost("web1")); n != 0 {
		t.Fatalf("the hub heard %d Wills", n)
	}
}

func TestNoWillWhenTheHubGoes(t *testing.T) {
	h := open(t)
	for i := range 20 {
		join(t, h.addr, agent(fmt.Sprint("web", i)))
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if n := h.hub.count(lost(fmt.Sprint("web", i))); n != 0 {
			t.Fatalf("web%d was lost by the hub's own end", i)
		}
	}
	if h.Publish("muster/v1/hub/state", nil, false) == nil {
		t.Error("a closed broker publishes")
	}
}

func TestAnotherMachineLeavesTheSessionAlone(t *testing.T) {
	h := open(t)
	first := join(t, h.addr, agent("web1"))
	first.subscribe(topicOf("web1", "ack"))
	other := agent("web1")
	other.user = "agent:other-machine"
	for range 20 {
		if code := dial(t, h.addr).hello(other); code != 5 {
			t.Fatalf("the other machine got code %d", code)
		}
	}
	h.publish(t, topicOf("web1", "ack"), "still there", false)
	if _, payload := first.hear(); payload != "still there" {
		t.Fatalf("the first machine heard %q", payload)
	}
	if n := h.hub.count(lost("web1")); n != 0 {
		t.Fatalf("the hub heard %d Wills", n)
	}
	if n := h.hub.refused(); n != 20 {
		t.Fatalf("the hub was told of %d refusals", n)
	}
}

func TestTakeovers(t *testing.T) { takeOver(t, 300) }

// takeOver has a host's sessions replace one another. None may go deaf, no
// Will of a former one may follow, and none may be left: there is room for one.
func takeOver(t *testing.T, times int) {
	h := open(t, func(o *broker.Options) { o.Agents = 1 })
	var former *peer
	for i := range times {
		p := join(t, h.addr, agent("web1"))
		if code := p.subscribe(topicOf("web1", "ack"))[0]; code != 0 {
			t.Fatalf("session %d: subscription refused with %#x", i, code)
		}
		online := fmt.Sprint("online ", i)
		if !p.say(topicOf("web1", "presence"), online, true) {
			t.Fatalf("session %d was cut off", i)
		}
		h.publish(t, topicOf("web1", "ack"), online, false)
		if _, payload := p.hear(); payload != online {
			t.Fatalf("session %d heard %q", i, payload)
		}
		if former != nil {
			former.gone()
			former.Close()
		}
		former = p
	}
	if n := h.hub.count(lost("web1")); n != 0 {
		t.Fatalf("%d of %d Wills were published", n, times)
	}
	watcher := join(t, h.addr, reader("laptop"))
	watcher.subscribe(topicOf("web1", "presence"))
	if _, payload := watcher.hear(); payload != fmt.Sprint("online ", times-1) {
		t.Fatalf("the last presence kept is %q", payload)
	}
}

func TestTakeoversAtTheSameTime(t *testing.T) { takeOverAtOnce(t, 40) }

// takeOverAtOnce has several connections want the same host's session at the
// same time. The last one to come must be heard and hear.
func takeOverAtOnce(t *testing.T, rounds int) {
	h := open(t)
	for i := range rounds {
		var racing sync.WaitGroup
		for range 6 {
			p := dial(t, h.addr)
			racing.Go(func() {
				defer p.Close()
				_, _ = p.Write(agent("web1").bytes())
				_, _, _ = p.read()
			})
		}
		racing.Wait()
		p := join(t, h.addr, agent("web1"))
		if code := p.subscribe(topicOf("web1", "ack"))[0]; code != 0 {
			t.Fatalf("round %d: subscription refused with %#x", i, code)
		}
		word := fmt.Sprint("round ", i)
		if !p.say(topicOf("web1", "presence"), word, true) {
			t.Fatalf("round %d: cut off", i)
		}
		for range 3 {
			h.publish(t, topicOf("web1", "ack"), word, false)
			if _, payload := p.hear(); payload != word {
				t.Fatalf("round %d: heard %q", i, payload)
			}
		}
		p.send([]byte{0xe0, 0})
		p.gone()
		p.Close()
	}
}

func TestReadersTakeOverToo(t *testing.T) {
	h := open(t)
	old := hello{id: "laptop", version: 5}
	first := join(t, h.addr, old)
	second := join(t, h.addr, reader("laptop"))
	header, body, err := first.read()
	if err != nil || header != 0xe0 || len(body) == 0 || body[0] != 0x8e {
		t.Errorf("a reader of MQTT 5 wasn't told that its session was taken over: %#x %v %v", header, body, err)
	}
	second.subscribe("muster/v1/hub/state")
	h.publish(t, "muster/v1/hub/state", "up", false)
	if _, payload := second.hear(); payload != "up" {
		t.Errorf("the second reader heard %q", payload)
	}
	// An agent isn't kept out by a reader that has its id.
	join(t, h.addr, reader("web1"))
	join(t, h.addr, agent("web1"))
}

func TestRetainedIsThereBeforeTheFirstAgentAndCanBeCleared(t *testing.T) {
	h := open(t)
	desired := topicOf("web1", "desired")
	h.publish(t, desired, "one", true)
	h.publish(t, desired, "two", true)
	p := join(t, h.addr, agent("web1"))
	p.subscribe(desired)
	if _, payload := p.hear(); payload != "two" {
		t.Fatalf("heard %q", payload)
	}
	if err := h.Publish(desired, nil, true); err != nil {
		t.Fatal(err)
	}
	if _, payload := p.hear(); payload != "" {
		t.Fatalf("heard %q", payload)
	}
	p = join(t, h.addr, agent("web1"))
	p.subscribe(desired, topicOf("web1", "ack"))
	h.publish(t, topicOf("web1", "ack"), "next", false)
	if topic, payload := p.hear(); payload != "next" {
		t.Fatalf("heard %q on %s", payload, topic)
	}
	_ = p.SetDeadline(time.Time{})
}
