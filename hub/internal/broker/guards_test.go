package broker_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/shared/wire"
)

func TestStalledSubscriberHoldsUpNobody(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.Readers = 1 })
	stalled := join(t, h.addr, reader("stalled"))
	stalled.subscribe("muster/v1/#")
	healthy := join(t, h.addr, agent("web1"))
	healthy.subscribe(topicOf("web1", "ack"))
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for range 100 {
			if _, _, err := healthy.read(); err != nil {
				return
			}
		}
	}()
	payload := []byte(strings.Repeat("x", 256<<10))
	var worst time.Duration
	for range 100 {
		begin := time.Now()
		if err := h.Publish(topicOf("web1", "ack"), payload, false); err != nil {
			t.Fatal(err)
		}
		worst = max(worst, time.Since(begin))
	}
	t.Logf("the slowest publication took %s", worst)
	if worst > 1500*time.Millisecond { // the stalled connection's write deadline is 2 s
		t.Errorf("a publication took %s", worst)
	}
	select {
	case <-heard:
	case <-time.After(patience):
		t.Fatal("the healthy subscriber didn't get everything")
	}
	eventually(t, "the stalled reader is cut off and another one let in", func() bool {
		return dial(t, h.addr).hello(reader("laptop")) == 0
	})
}

// TestAStalledSubscriberCostsLittleMemory has one that reads nothing and isn't
// cut off: what waits for it is counted.
func TestAStalledSubscriberCostsLittleMemory(t *testing.T) {
	const messages, size = 3_000, 64 << 10
	const most = 512 * size * 3 / 2 // what may wait for it, and half as much for the rest
	h := open(t, func(o *broker.Options) { o.WriteTimeout = time.Hour })
	join(t, h.addr, reader("stalled")).subscribe("muster/v1/#")
	before := heap()
	for i := range messages {
		if err := h.Publish(topicOf("web1", "ack"), []byte(strings.Repeat("x", size)), false); err != nil {
			t.Fatal(err)
		}
		if i%(messages/4) == messages/4-1 {
			if grown := heap() - before; grown > most {
				t.Fatalf("after %d messages the heap has grown by %d MiB", i+1, grown>>20)
			}
		}
	}
}

// heap is what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestPeerThatSaysNothingIsDropped(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.ConnectTimeout = 200 * time.Millisecond })
	silent, slow := dial(t, h.addr), dial(t, h.addr)
	slow.send(agent("web1").bytes()[:10])
	silent.gone()
	slow.gone()
}

func TestPeerThatSaysNothingDoesNotHoldUpTheEnd(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.ConnectTimeout = time.Hour })
	p := dial(t, h.addr)
	join(t, h.addr, agent("web1")) // accepted after p
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	p.gone()
}

func TestPendingConnectionsAreBounded(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.Agents, o.Readers, o.Pending = 1, 1, 2 })
	for range 4 {
		dial(t, h.addr)
	}
	extra := dial(t, h.addr)
	extra.gone()
}

func TestOversizedPackets(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.ConnectTimeout = time.Hour })
	for name, header := range map[string][]byte{
		"256 MiB before CONNECT": {0x10, 0xff, 0xff, 0xff, 0x7f},
		"17 KiB before CONNECT":  {0x10, 0x80, 0x88, 0x01},
		"an endless length":      {0x10, 0xff, 0xff, 0xff, 0xff, 0xff},
		"PUBLISH before CONNECT": {0x30, 0x05},
		"not MQTT":               []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, h.addr)
			p.send(header)
			p.gone()
		})
	}
	t.Run("a message of more than 1 MiB", func(t *testing.T) {
		p := join(t, h.addr, agent("web1"))
		p.send([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
		p.gone()
	})
	t.Run("the largest message", func(t *testing.T) {
		p := join(t, h.addr, agent("web1"))
		p.subscribe(topicOf("web1", "desired"))
		largest := strings.Repeat("x", wire.MaxMessage-1<<10)
		if !p.say(topicOf("web1", "actual"), largest, true) {
			t.Fatal("it wasn't confirmed")
		}
		h.publish(t, topicOf("web1", "desired"), largest, true)
		if _, payload := p.hear(); payload != largest {
			t.Fatal("it didn't arrive whole")
		}
	})
}

func TestMalformedPackets(t *testing.T) {
	h := open(t)
	modern := hello{id: "laptop", version: 5}
	for name, c := range map[string]struct {
		who   hello
		bytes []byte
	}{
		"SUBSCRIBE without options, MQTT 5": {modern, packet(0x82, append([]byte{0, 1, 0}, text("muster/v1/#")...))},
		"SUBSCRIBE without options":         {agent("web1"), packet(0x82, append([]byte{0, 1}, text("a")...))},
		"SUBSCRIBE without filters":         {agent("web1"), packet(0x82, []byte{0, 1})},
		"PUBLISH with a wildcard":           {agent("web1"), publishPacket(topicOf("+", "presence"), "x", false, 1)},
		"PUBLISH without a topic":           {agent("web1"), publishPacket("", "x", false, 1)},
		"PUBLISH cut short":                 {agent("web1"), packet(0x32, []byte{0, 9, 'a'})},
		"PUBLISH with a bad topic":          {agent("web1"), publishPacket("muster/\xff", "x", false, 1)},
		"a second CONNECT":                  {agent("web1"), agent("web1").bytes()},
		"CONNACK":                           {agent("web1"), packet(0x20, []byte{0, 0})},
		"type 0":                            {agent("web1"), packet(0x00, nil)},
		"AUTH":                              {modern, packet(0xf0, []byte{0x18, 0x7f})},
	} {
		t.Run(name, func(t *testing.T) {
			p := join(t, h.addr, c.who)
			p.send(c.bytes)
			p.gone()
			// Nothing of it is left: the same client connects and is served.
			p = join(t, h.addr, agent("web1"))
			if !p.say(topicOf("web1", "events"), "after "+name, false) {
				t.Fatal("the next session isn't served")
			}
		})
	}
}

func TestRandomPackets(t *testing.T) {
	h := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		who := agent("web1")
		if i%2 == 0 {
			who = hello{id: "laptop", version: 5}
		}
		p := join(t, h.addr, who)
		body := make([]byte, random.IntN(40))
		for j := range body {
			body[j] = byte(random.IntN(256)) >> random.IntN(8)
		}
		p.send(packet(byte(random.IntN(256)), body))
		p.Close()
	}
	p := join(t, h.addr, agent("web1"))
	if !p.say(topicOf("web1", "events"), "after", false) {
		t.Fatal("the broker no longer serves")
	}
}

// failing is a listener on a machine that has no file descriptor left for a
// while.
type failing struct {
	net.Listener
	mu    sync.Mutex
	times int
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times > 0 {
		f.times--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestAcceptGoesOnAfterEMFILE(t *testing.T) {
	h := open(t, func(o *broker.Options) { o.Doors[0].Listener = &failing{Listener: o.Doors[0].Listener, times: 5} })
	join(t, h.addr, agent("web1"))
}

func TestRunEndsWhenItsListenerDoes(t *testing.T) {
	var listener net.Listener
	h := open(t, func(o *broker.Options) { listener = o.Doors[0].Listener })
	join(t, h.addr, agent("web1"))
	listener.Close()
	eventually(t, "Run returns", func() bool {
		return h.Publish("muster/v1/hub/state", nil, false) != nil
	})
	h.fails = true
}

func TestFastClientIsSlowedDown(t *testing.T) {
	const burst, more = 70, 30
	h := open(t, func(o *broker.Options) { o.Rate, o.Burst = 50, burst })
	p := join(t, h.addr, agent("web1"))
	begin := time.Now()
	for i := range burst + more {
		p.send(publishPacket(topicOf("web1", "events"), fmt.Sprint(i), false, 0))
	}
	last := said{"web1", "events", "", fmt.Sprint(burst + more - 1)}
	eventually(t, "all messages arrive", func() bool { return h.hub.count(last) == 1 })
	if took, least := time.Since(begin), more*time.Second/50; took < least {
		t.Errorf("%d messages took %s, not %s", burst+more, took, least)
	}
	if told := h.hub.told(); len(told) != 1 || told[0] != "web1" {
		t.Errorf("who floods is told as %q", told)
	}
}

func TestPublishChecksWhatItIsGiven(t *testing.T) {
	h := open(t)
	for name, err := range map[string]error{
		"a wildcard":         h.Publish("muster/v1/hosts/+/desired", nil, false),
		"another root":       h.Publish("other/topic", nil, false),
		"a retained command": h.Publish("muster/v1/services/shop/web/command", []byte("x"), true),
		"a huge payload":     h.Publish("muster/v1/hub/state", make([]byte, wire.MaxMessage), false),
	} {
		if err == nil {
			t.Errorf("%s was published", name)
		}
	}
}
