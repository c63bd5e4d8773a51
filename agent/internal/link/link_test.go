package link_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/wire"
)

func TestBothWays(t *testing.T) {
	h := startHub(t)
	h.say(topicOf("web1", "desired"), "kept", true)
	h.say(topicOf("web1", "pools/shop/web"), "pool", true)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "the agent's presence arrives", func() bool { return h.has(a.topic("presence"), "online "+a.current()) })
	a.set(t, "actual", "all is well", true)
	a.set(t, "result/4711", "yes", false)
	eventually(t, "what the agent says arrives", func() bool {
		return h.has(a.topic("actual"), "all is well") && h.has(a.topic("result/4711"), "yes")
	})
	h.say(a.topic("ack"), "1", false)
	h.say(a.topic("ask"), "how are you?", false)
	eventually(t, "what the hub says arrives", func() bool {
		return len(a.payloads(a.topic("desired"))) == 1 && len(a.payloads(a.topic("pools/shop/web"))) == 1 &&
			len(a.payloads(a.topic("ack"))) == 1 && len(a.payloads(a.topic("ask"))) == 1
	})
}

// What is retained says how things are: the session that begins is told anew,
// and nothing of what was.
func TestAfterARestartOfTheHubOnlyTheNewestIsSent(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", a.up)
	first := a.current()
	eventually(t, "its presence arrives", func() bool { return h.has(a.topic("presence"), "online "+first) })
	h.kill()
	eventually(t, "disconnected", func() bool { return !a.up() })
	for i := range 50 {
		a.set(t, "actual", "of a session that is over", true)
		a.set(t, "events", "event "+strconv.Itoa(i), false)
		a.set(t, "presence", "of a session that is over", true)
	}
	h.start()
	eventually(t, "the newest arrives", func() bool {
		return h.has(a.topic("events"), "event 49") && h.has(a.topic("presence"), "online "+a.current())
	})
	if a.current() == first {
		t.Error("the new session has the old id")
	}
	a.set(t, "actual", "new", true)
	eventually(t, "the new one arrives", func() bool { return h.has(a.topic("actual"), "new") })
	for leaf, want := range map[string][]string{
		"actual":   {"new"},
		"events":   {"event 49"},
		"presence": {"online " + first, "online " + a.current()},
	} {
		if got := h.payloads(a.topic(leaf)); !slices.Equal(got, want) {
			t.Errorf("%s: the hub got %v, want %v", leaf, got, want)
		}
	}
}

func TestOneTopicStaysInOrder(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", a.up)
	const last = 2000
	for i := range last + 1 {
		a.set(t, "actual", strconv.Itoa(i), true)
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // let some through
		}
	}
	eventually(t, "the last arrives", func() bool { return h.has(a.topic("actual"), strconv.Itoa(last)) })
	before := -1
	for _, p := range h.payloads(a.topic("actual")) {
		n, _ := strconv.Atoi(p)
		if n <= before {
			t.Fatalf("%d came after %d", n, before)
		}
		before = n
	}
}

func TestWatchdogGivesUpASilentHub(t *testing.T) {
	h := startHub(t)
	o := quick(h, "web1")
	o.Watchdog = 200 * time.Millisecond
	a := startAgent(t, o)
	eventually(t, "three sessions were tried", func() bool { return a.connections() >= 3 })
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ends[0] == nil || !strings.Contains(a.ends[0].Error(), "not answered") {
		t.Errorf("the first session ended with %v", a.ends[0])
	}
	if slices.Sort(a.sessions); len(slices.Compact(a.sessions)) != len(a.sessions) {
		t.Errorf("a session id was used twice: %v", a.sessions)
	}
}

func TestEchoKeepsTheSession(t *testing.T) {
	h := startHub(t)
	o := quick(h, "web1")
	o.Watchdog = 2 * time.Second
	a := startAgent(t, o)
	eventually(t, "connected", a.up)
	for end := time.Now().Add(3 * o.Watchdog); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a.Echo()
	}
	if n := a.connections(); n != 1 {
		t.Errorf("there were %d sessions", n)
	}
}

func TestHaltedHubIsLeftAndFoundAgain(t *testing.T) {
	h := startHub(t)
	o := quick(h, "web1")
	o.Watchdog, o.ConnectTimeout = 500*time.Millisecond, 300*time.Millisecond
	a := startAgent(t, o)
	eventually(t, "connected", a.up)
	h.halt()
	eventually(t, "the session is given up", func() bool { return !a.up() })
	a.set(t, "events", "newest", false)
	h.resume()
	eventually(t, "it arrives in a new session", func() bool { a.Echo(); return h.has(a.topic("events"), "newest") })
}

func TestStopSaysFarewellLast(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", a.up)
	for i := range 30 {
		a.set(t, "result/"+strconv.Itoa(i), "yes", false)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range 2 { // the second call changes nothing
		if err := a.Stop(ctx, a.topic("presence"), []byte("stopping")); err != nil {
			t.Fatal(err)
		}
	}
	<-a.ended
	if err := a.Set(a.topic("actual"), []byte("x"), true); err == nil {
		t.Error("a stopped link takes messages")
	}
	eventually(t, "the farewell arrives", func() bool { return h.has(a.topic("presence"), "stopping") })
	h.mu.Lock()
	n, last := len(h.heard), h.heard[len(h.heard)-1]
	h.mu.Unlock()
	if n != 32 || last.Payload != "stopping" {
		t.Errorf("the hub heard %d messages, the last is %v", n, last)
	}
	// The next session begins when the former one is over, its Will included.
	b := startAgent(t, quick(h, "web1"))
	eventually(t, "the next agent is heard", func() bool { return h.has(b.topic("presence"), "online "+b.current()) })
	for _, p := range h.payloads(a.topic("presence")) {
		if strings.HasPrefix(p, "lost") {
			t.Errorf("the Will was published: %s", p)
		}
	}
}

func TestStopWithoutAHub(t *testing.T) {
	h := newHub(t)
	a := startAgent(t, quick(h, "web1"))
	if err := a.Stop(t.Context(), a.topic("presence"), []byte("stopping")); err == nil {
		t.Error("a farewell that nobody heard is no error")
	}
	<-a.ended
}

func TestStopIsBounded(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", a.up)
	h.halt()
	defer h.resume()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := a.Stop(ctx, a.topic("presence"), []byte("stopping")); err == nil {
		t.Error("a farewell that wasn't confirmed is no error")
	}
	<-a.ended
}

func TestWillOfAnAgentThatDies(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", a.up)
	session := a.current()
	a.end(t)
	eventually(t, "the Will arrives", func() bool { return h.has(a.topic("presence"), "lost "+session) })
}

func TestAnotherMachineIsRefusedAndHarmless(t *testing.T) {
	h := startHub(t)
	first := startAgent(t, quick(h, "web1"))
	eventually(t, "connected", first.up)
	o := quick(h, "web1")
	o.MachineID = "another"
	second := startAgent(t, o)
	for i := range 20 {
		h.say(first.topic("ack"), strconv.Itoa(i), false)
		eventually(t, "the first agent still hears", func() bool {
			return slices.Contains(first.payloads(first.topic("ack")), strconv.Itoa(i))
		})
		time.Sleep(20 * time.Millisecond) // the second one tries all the while
	}
	if second.connections() != 0 || first.connections() != 1 {
		t.Errorf("the second connected %d times, the first %d times", second.connections(), first.connections())
	}
}

func TestSlowReceiverStallsNothing(t *testing.T) {
	h := startHub(t)
	o := quick(h, "web1")
	o.KeepAlive, o.PingTimeout = 5*time.Second, 5*time.Second
	a := startAgent(t, o)
	eventually(t, "connected", a.up)
	release := make(chan struct{})
	a.mu.Lock()
	a.block = release
	a.mu.Unlock()
	h.say(a.topic("ack"), "blocks", false)
	eventually(t, "the receiver is busy", func() bool { return len(a.payloads(a.topic("ack"))) == 1 })
	for i := range 100 {
		h.say(a.topic("desired"), strconv.Itoa(i), true)
		h.say(a.topic("ask"), strconv.Itoa(i), false)
	}
	// What the agent says goes on meanwhile.
	for i := range 20 {
		a.set(t, "actual", fmt.Sprint("while busy ", i), true)
		eventually(t, "it arrives", func() bool { return h.has(a.topic("actual"), fmt.Sprint("while busy ", i)) })
	}
	close(release)
	eventually(t, "all asks and the newest desired are handed over", func() bool {
		desired := a.payloads(a.topic("desired"))
		return len(a.payloads(a.topic("ask"))) == 100 && len(desired) > 0 && desired[len(desired)-1] == "99"
	})
	if n := a.connections(); n != 1 {
		t.Errorf("there were %d sessions", n)
	}
}

func TestSetRefusesWhatTheBrokerWould(t *testing.T) {
	h := newHub(t)
	o := quick(h, "web1")
	o.MaxTopics = 2
	a := startAgent(t, o)
	for name, c := range map[string]struct {
		topic string
		size  int
	}{
		"another host":   {topicOf("web2", "actual"), 1},
		"desired":        {topicOf("web1", "desired"), 1},
		"no host":        {"muster/v1/hub/state", 1},
		"a bare result":  {topicOf("web1", "result"), 1},
		"a huge payload": {topicOf("web1", "actual"), wire.MaxMessage},
	} {
		if err := a.Set(c.topic, make([]byte, c.size), false); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	a.set(t, "result/1", "x", false)
	a.set(t, "result/2", "x", false)
	a.set(t, "result/2", "y", false)
	if err := a.Set(a.topic("result/3"), []byte("x"), false); err == nil {
		t.Error("a third topic was taken")
	}
}

func TestLargestMessageBothWays(t *testing.T) {
	h := startHub(t)
	a := startAgent(t, quick(h, "web1"))
	large := strings.Repeat("x", wire.MaxMessage-1<<10)
	eventually(t, "connected", a.up)
	a.set(t, "actual", large, true)
	eventually(t, "it arrives", func() bool { return h.has(a.topic("actual"), large) })
}
