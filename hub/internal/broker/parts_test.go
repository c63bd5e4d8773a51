package broker

import (
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// The checks run for each message and each of its receivers.
func TestAccessAllocatesNothing(t *testing.T) {
	var agent, reader identity
	agent.agent("web1")
	reader.reader(fleet.Principal{Name: "ann", Role: fleet.RoleViewer}, "laptop")
	topics := []string{
		wire.Host("web1", wire.LeafActual), wire.Host("web1", wire.LeafDesired), wire.Host("web1", "result/4711"),
		wire.Host("web1", "pools/shop/web"), wire.Host("web2", wire.LeafPresence), wire.HubState, "$SYS/broker/uptime",
	}
	allowed := 0
	n := testing.AllocsPerRun(100, func() {
		for _, topic := range topics {
			for _, ok := range []bool{agent.mayPublish(topic), agent.mayRead(topic), reader.mayRead(topic), agent.may.MayRetain(topic)} {
				if ok {
					allowed++
				}
			}
		}
	})
	if n != 0 || allowed == 0 {
		t.Errorf("%v allocations, %d times allowed", n, allowed)
	}
}

func TestBucketFillsUpToItsBurst(t *testing.T) {
	b, now := newBucket(10, 100), time.Unix(1000, 0)
	if wait := b.take(now, 99*packetCost); wait != 0 {
		t.Errorf("the burst has to wait %s", wait)
	}
	if wait := b.take(now, 0); wait != 100*time.Millisecond {
		t.Errorf("the next packet waits %s", wait)
	}
	now = now.Add(time.Hour)
	b.take(now, 99*packetCost)
	if wait := b.take(now, 4*packetCost); wait != 500*time.Millisecond {
		t.Errorf("after a long rest: %s", wait)
	}
}

func TestFirstPacketComesInPieces(t *testing.T) {
	var f firstPacket
	for _, piece := range [][]byte{{0x10}, {0x80}, {0x02}, {1, 2, 3}, make([]byte, 1<<20)} {
		if err := f.check(piece); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheGateLetsFewThroughAtOnce(t *testing.T) {
	g := make(gate, 1)
	newcomer := func() *conn { return &conn{closed: make(chan struct{})} }
	first, second, third := newcomer(), newcomer(), newcomer()
	first.enter(g)
	first.enter(g) // it is in already
	passed := make(chan *conn)
	for _, c := range []*conn{second, third} {
		go func() {
			c.enter(g)
			passed <- c
		}()
	}
	close(second.closed)
	if c := <-passed; c != second || c.in != nil {
		t.Fatal("who is gone doesn't wait, and takes no place")
	}
	second.leave()
	if len(g) != 1 {
		t.Fatal("it gave back a place that wasn't its own")
	}
	first.leave()
	if c := <-passed; c != third || c.in == nil || first.in != nil {
		t.Fatal("the next one gets the place")
	}
	third.leave()
	third.leave()
	if len(g) != 0 {
		t.Fatal("the place isn't free again")
	}
}
