package broker_test

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/hub/internal/broker"
)

func TestWhatMayBePublished(t *testing.T) {
	h := open(t)
	long := strings.Repeat("x", 65)
	for _, c := range []struct {
		name   string
		who    hello
		topic  string
		retain bool
		ok     bool
	}{
		{"own presence", agent("web1"), topicOf("web1", "presence"), true, true},
		{"own actual", agent("web1"), topicOf("web1", "actual"), true, true},
		{"own events", agent("web1"), topicOf("web1", "events"), false, true},
		{"own metrics", agent("web1"), topicOf("web1", "metrics"), false, true},
		{"own result", agent("web1"), topicOf("web1", "result/4711"), false, true},
		{"another's presence", agent("web1"), topicOf("web2", "presence"), false, false},
		{"a longer host's presence", agent("web1"), topicOf("web11", "presence"), false, false},
		{"own desired", agent("web1"), topicOf("web1", "desired"), true, false},
		{"own ack", agent("web1"), topicOf("web1", "ack"), false, false},
		{"own pool", agent("web1"), topicOf("web1", "pools/shop/web"), true, false},
		{"below presence", agent("web1"), topicOf("web1", "presence/x"), false, false},
		{"result without id", agent("web1"), topicOf("web1", "result"), false, false},
		{"result with a path", agent("web1"), topicOf("web1", "result/a/b"), false, false},
		{"result with a long id", agent("web1"), topicOf("web1", "result/"+long), false, false},
		{"retained events", agent("web1"), topicOf("web1", "events"), true, false},
		{"another's metrics", agent("web1"), topicOf("web2", "metrics"), false, false},
		{"below metrics", agent("web1"), topicOf("web1", "metrics/x"), false, false},
		{"retained metrics", agent("web1"), topicOf("web1", "metrics"), true, false},
		{"retained result", agent("web1"), topicOf("web1", "result/1"), true, false},
		{"a retained command", agent("web1"), topicOf("web1", "command"), true, false},
		{"the hub's state", agent("web1"), "muster/v1/hub/state", true, false},
		{"a service's status", agent("web1"), "muster/v1/services/shop/web/status", true, false},
		{"a topic of 64 KB", agent("web1"), topicOf("web1", strings.Repeat("/", 60_000)), false, false},
		{"a reader", reader("laptop"), topicOf("web1", "presence"), false, false},
		{"a reader called like a host", reader("web9"), topicOf("web9", "actual"), true, false},
		{"another user name", hello{id: "web9", user: "admin"}, topicOf("web9", "actual"), true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := join(t, h.addr, c.who)
			payload := "payload of " + c.name
			if got := p.say(c.topic, payload, c.retain); got != c.ok {
				t.Fatalf("publishing %.80s: confirmed %t, want %t", c.topic, got, c.ok)
			}
			path := strings.TrimPrefix(c.topic, topicOf(c.who.id, ""))
			leaf, rest, _ := strings.Cut(path, "/")
			if got := h.hub.count(said{c.who.id, leaf, rest, payload}); (got == 1) != c.ok {
				t.Fatalf("the hub got it %d times", got)
			}
		})
	}
}

// What an agent of a later release says on a topic of its own is confirmed, and
// reaches nobody: it isn't cut off again and again.
func TestNewsOfALaterReleaseIsConfirmedAndLeftUnread(t *testing.T) {
	h := open(t)
	p, watcher := join(t, h.addr, agent("web1")), join(t, h.addr, reader("laptop"))
	watcher.subscribe(topicOf("web1", "#"))
	for range 3 {
		if !p.say(topicOf("web1", "alerts"), "later", false) {
			t.Fatal("it isn't confirmed")
		}
	}
	if !p.say(topicOf("web1", "events"), "today", false) {
		t.Fatal("the session has ended")
	}
	if topic, payload := watcher.hear(); payload != "today" {
		t.Errorf("a reader heard %s on %s", payload, topic)
	}
	if n := h.hub.count(said{"web1", "alerts", "", "later"}); n != 0 {
		t.Errorf("the hub got it %d times", n)
	}
	for _, topic := range []string{topicOf("web1", "alerts/x"), topicOf("web2", "alerts")} {
		if join(t, h.addr, agent("web1")).say(topic, "later", false) {
			t.Errorf("%s is confirmed", topic)
		}
	}
	if join(t, h.addr, agent("web1")).say(topicOf("web1", "alerts"), "later", true) {
		t.Error("a retained one is confirmed")
	}
}

func TestWhatMayBeSubscribed(t *testing.T) {
	h := open(t)
	deep := "muster/v1/" + strings.Repeat("a/", 20_000)
	for _, c := range []struct {
		name   string
		who    hello
		filter string
		ok     bool
	}{
		{"own desired", agent("web1"), topicOf("web1", "desired"), true},
		{"own ack", agent("web1"), topicOf("web1", "ack"), true},
		{"own ask", agent("web1"), topicOf("web1", "ask"), true},
		{"own pools", agent("web1"), topicOf("web1", "pools/+/+"), true},
		{"another's desired", agent("web1"), topicOf("web2", "desired"), false},
		{"everybody's desired", agent("web1"), topicOf("+", "desired"), false},
		{"all of its own", agent("web1"), topicOf("web1", "#"), false},
		{"all pools by #", agent("web1"), topicOf("web1", "pools/#"), false},
		{"own leaves", agent("web1"), topicOf("web1", "+"), false},
		{"everything as an agent", agent("web1"), "#", false},
		{"shared", agent("web1"), "$share/g/" + topicOf("web1", "desired"), false},
		{"everything of Muster's", reader("laptop"), "muster/v1/#", true},
		{"all presences", reader("laptop"), topicOf("+", "presence"), true},
		{"everything of a host", reader("laptop"), topicOf("web1", "#"), true},
		{"events", reader("laptop"), "muster/v1/events/#", true},
		{"desired", reader("laptop"), topicOf("web1", "desired"), false},
		{"all desired", reader("laptop"), topicOf("+", "desired"), false},
		{"all asks", reader("laptop"), topicOf("+", "ask"), false},
		{"everything", reader("laptop"), "#", false},
		{"another root", reader("laptop"), "other/v1/#", false},
		{"the broker's own", reader("laptop"), "$SYS/#", false},
		{"shared by readers", reader("laptop"), "$share/g/muster/v1/#", false},
		{"a deep filter", reader("laptop"), deep, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := join(t, h.addr, c.who).subscribe(c.filter)[0]
			if want := map[bool]byte{true: 0, false: 0x80}[c.ok]; code != want {
				t.Fatalf("subscribing to %.80s: code %#x, want %#x", c.filter, code, want)
			}
		})
	}
}

func TestReadersDoNotSeeDesiredOrAsks(t *testing.T) {
	h := open(t)
	publish := func(kind string) {
		for _, leaf := range []string{"desired", "ask", "pools/shop/web", "ack"} {
			h.publish(t, topicOf("web1", leaf), kind, true)
		}
		h.publish(t, "muster/v1/hub/state", kind, true)
	}
	collect := func(p *peer, n int) map[string]string {
		got := map[string]string{}
		for range n {
			topic, payload := p.hear()
			got[topic] = payload
		}
		return got
	}
	publish("kept")
	// The second filter covers desired without naming the hosts' topics.
	for _, filter := range []string{"muster/v1/#", "muster/v1/+/web1/#"} {
		p := join(t, h.addr, reader("laptop"))
		if code := p.subscribe(filter)[0]; code != 0 {
			t.Fatalf("%s: code %#x", filter, code)
		}
		n := 3
		if filter != "muster/v1/#" {
			n = 2
		}
		for _, kind := range []string{"kept", "live"} {
			if kind == "live" {
				publish(kind)
			}
			got := collect(p, n)
			if got[topicOf("web1", "ack")] != kind || got[topicOf("web1", "pools/shop/web")] != kind || len(got) != n {
				t.Fatalf("%s, %s: the reader got %v", filter, kind, got)
			}
		}
		publish("kept")
		collect(p, n)
	}

	a := join(t, h.addr, agent("web1"))
	if codes := a.subscribe(topicOf("web1", "desired"), topicOf("web1", "ask")); codes[0] != 0 || codes[1] != 0 {
		t.Fatalf("the agent's subscriptions: %v", codes)
	}
	if got := collect(a, 2); got[topicOf("web1", "desired")] != "kept" || got[topicOf("web1", "ask")] != "kept" {
		t.Fatalf("the agent got %v", got)
	}
}

func TestWhoIsLetIn(t *testing.T) {
	h := open(t)
	join(t, h.addr, agent("web1"))
	with := func(h hello, change func(*hello)) hello { change(&h); return h }
	for _, c := range []struct {
		name string
		who  hello
		ok   bool
	}{
		{"an agent", agent("web2"), true},
		{"an agent without a Will", with(agent("web2"), func(h *hello) { h.will = "" }), true},
		{"a reader", reader("laptop"), true},
		{"a reader without an id", reader(""), true},
		{"the hub's own id", reader("inline"), false},
		{"the hub's own id as an agent", agent("inline"), false},
		{"an agent whose id is no host's", with(agent("web2"), func(h *hello) { h.id = "Web 2" }), false},
		{"an agent without a machine id", with(agent("web2"), func(h *hello) { h.user = "agent:" }), false},
		{"an agent with a huge machine id", with(agent("web2"), func(h *hello) { h.user = "agent:" + strings.Repeat("x", 200) }), false},
		{"an agent of MQTT 5", with(agent("web2"), func(h *hello) { h.version = 5 }), false},
		{"another machine", with(agent("web1"), func(h *hello) { h.user = "agent:other" }), false},
		{"a Will for another", with(agent("web2"), func(h *hello) { h.will = topicOf("web1", "presence") }), false},
		{"a Will for another leaf", with(agent("web2"), func(h *hello) { h.will = topicOf("web2", "actual") }), false},
		{"a huge Will", with(agent("web2"), func(h *hello) { h.willSays = strings.Repeat("x", 9<<10) }), false},
		{"a reader's Will", with(reader("laptop"), func(h *hello) { h.will = topicOf("web1", "presence"); h.willSays = "lost" }), false},
		{"a reader with an agent's id, whose session isn't touched", reader("web1"), true},
		{"a reader with a huge id", reader(strings.Repeat("x", 200)), false},
		{"no keepalive", with(reader("laptop"), func(h *hello) { h.exact = true }), false},
		{"keepalive 4", with(reader("laptop"), func(h *hello) { h.keepalive = 4 }), false},
		{"keepalive 5", with(reader("laptop"), func(h *hello) { h.keepalive = 5 }), true},
		{"keepalive 600", with(reader("laptop"), func(h *hello) { h.keepalive = 600 }), true},
		{"keepalive 601", with(reader("laptop"), func(h *hello) { h.keepalive = 601 }), false},
		{"a keepalive that overflows", with(reader("laptop"), func(h *hello) { h.keepalive = 43_691 }), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.hub.refused()
			p := dial(t, h.addr)
			code := p.hello(c.who)
			if want := map[bool]byte{true: 0, false: 5}[c.ok]; code != want && (c.who.version != 5 || code == 0) {
				t.Fatalf("code %d, want %d", code, want)
			}
			told := h.hub.refused() - before
			if want := !c.ok && strings.HasPrefix(c.who.user, "agent:") && c.who.id != "Web 2" && c.who.id != "inline"; (told == 1) != want {
				t.Fatalf("the hub was told of %d refusals", told)
			}
			if !c.ok {
				p.gone()
			}
		})
	}
}

func TestLimits(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.Readers, o.Agents, o.Subscriptions = 1, 1, 4 })
	r := join(t, h.addr, reader("laptop"))
	if code := dial(t, h.addr).hello(reader("desk")); code == 0 {
		t.Error("one reader too many was let in")
	}
	r.Close()
	eventually(t, "another reader is let in after the first has gone", func() bool {
		return dial(t, h.addr).hello(reader("desk")) == 0
	})
	a := join(t, h.addr, agent("web1"))
	if code := dial(t, h.addr).hello(agent("web2")); code == 0 {
		t.Error("one agent too many was let in")
	}
	codes := a.subscribe(topicOf("web1", "pools/a/+"), topicOf("web1", "pools/b/+"), topicOf("web1", "pools/c/+"), topicOf("web1", "ack"), topicOf("web1", "ask"))
	if string(codes) != "\x00\x00\x00\x00\x80" {
		t.Errorf("the fifth subscription: codes %v", codes)
	}
}
