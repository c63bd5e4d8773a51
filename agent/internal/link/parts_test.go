package link

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/wire"
)

func TestPauseGrowsAndVaries(t *testing.T) {
	o := DefaultOptions()
	for failures, upper := range map[int]time.Duration{
		0: o.ReconnectFirst, 1: o.ReconnectFirst, 2: 2 * o.ReconnectFirst, 4: 8 * o.ReconnectFirst,
		7: o.ReconnectMax, 1000: o.ReconnectMax,
	} {
		var least, most time.Duration = time.Hour, 0
		for range 2000 {
			p := o.pause(failures)
			least, most = min(least, p), max(most, p)
		}
		if least < o.ReconnectMin || most > upper {
			t.Errorf("after %d failures: pauses from %s to %s, want %s to %s", failures, least, most, o.ReconnectMin, upper)
		}
		if most-least < (upper-o.ReconnectMin)/2 {
			t.Errorf("after %d failures: pauses from %s to %s vary too little", failures, least, most)
		}
	}
}

func TestOutboxKeepsWhatIsNewer(t *testing.T) {
	o := newOutbox(10)
	_ = o.put("a", []byte("1"), true)
	_ = o.put("b", []byte("1"), true)
	flying, _ := o.next(nil)
	_ = o.put("a", []byte("2"), true)
	o.confirm(flying.topic, flying.serial)
	if m, ok := o.next(map[string]uint64{"a": 1}); !ok || m.topic != "b" {
		t.Errorf("while a is in flight: %v", m)
	}
	if m, ok := o.next(nil); !ok || m.topic != "a" || string(m.payload) != "2" {
		t.Errorf("after the older one was confirmed: %v", m)
	}
}

func TestInboxDropsWhenFull(t *testing.T) {
	in := newInbox(3)
	for i := range 3 {
		if !in.put(fmt.Sprint("topic ", i), nil) {
			t.Fatalf("message %d was dropped", i)
		}
	}
	if in.put("one too many", nil) {
		t.Error("a full inbox took a new topic")
	}
	if !in.put("topic 1", []byte("newer")) {
		t.Error("a full inbox refused the newest of a topic that waits")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := DefaultOptions()
	good.Server, good.Host, good.MachineID = "tcp://hub:1883", "web1", "m"
	good.Logger = slog.New(slog.DiscardHandler)
	good.Will = func(string) (string, []byte) { return "", nil }
	good.OnConnected = func(string) {}
	good.OnDisconnected = func(error) {}
	good.OnMessage = func(string, []byte) {}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"server":    func(o *Options) { o.Server = "hub:1883" },
		"port":      func(o *Options) { o.Server = "tcp://hub" },
		"host":      func(o *Options) { o.Host = "Web 1" },
		"machine":   func(o *Options) { o.MachineID = "" },
		"callback":  func(o *Options) { o.OnMessage = nil },
		"keepalive": func(o *Options) { o.KeepAlive = 1500 * time.Millisecond },
		"watchdog":  func(o *Options) { o.Watchdog = 0 },
		"reconnect": func(o *Options) { o.ReconnectMax = 0 },
		"limit":     func(o *Options) { o.MaxTopics = 0 },
	} {
		bad := good
		change(&bad)
		if _, err := New(bad); err == nil {
			t.Errorf("%s: wrong options were accepted", name)
		}
	}
}

// Counts aren't confirmed: a hub that doesn't know their topic would end the
// session instead.
func TestOnlyCountsGoUnconfirmed(t *testing.T) {
	for topic, want := range map[string]byte{
		wire.Host("web1", wire.LeafMetrics): 0, wire.Host("web1", wire.LeafActual): 1, wire.Host("web1", wire.LeafPresence): 1,
		wire.Host("web1", wire.LeafEvents): 1, wire.Host("web1", wire.LeafResult) + "/metrics": 1,
	} {
		if got := assurance(topic); got != want {
			t.Errorf("%s: QoS %d", topic, got)
		}
	}
}
