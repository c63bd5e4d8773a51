package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// What a client may have waiting to be written to it, in messages: all, and
// those of them that were kept for it. Each connection has room for all at any
// time.
const (
	maxQueue = 512
	maxKept  = maxQueue / 4
)

// OnRetainPublished runs in the goroutine of the client that has subscribed,
// for each message that was kept. It has the client take them in before it gets
// more: it may get tens of thousands, and what finds no room is lost.
func (h *hook) OnRetainPublished(cl *mqtt.Client, _ packets.Packet) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return
	}
	c.kept++
	for c.kept-c.keptSent.Load() > maxKept {
		c.leave() // others needn't wait for a slow one
		select {
		case <-c.room:
		case <-c.closed:
			return
		}
	}
}

// OnPacketEncode runs for each packet that leaves the queue, also if it can't be
// sent.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type != packets.Publish || !pk.FixedHeader.Retain {
		return pk
	}
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.keptSent.Add(1)
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
	return pk
}
