package broker

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/musterhq/muster/shared/wire"
)

// Kinds of packets, with their flags.
const (
	publishQoS1     = 0x32
	publishRetained = publishQoS1 | 0x01
	puback          = 0x40
)

// heartbeat is a PUBLISH of an agent's presence. At rest an agent sends nothing
// else, and the hub answers thousands a second: the MQTT library's way costs a
// multiple of what they do, and its deep stack stays with each connection.
type heartbeat struct {
	size    int // of the packet, in bytes
	id      [2]byte
	payload []byte // a part of what was parsed
}

// parseHeartbeat finds one at the beginning of p, if it is there to its last
// byte and as agents send it: confirmed, and for the first time. All else is
// the MQTT library's to judge.
func parseHeartbeat(p []byte, prefix string) (heartbeat, bool) {
	if len(p) < 2 || p[0] != publishQoS1 && p[0] != publishRetained {
		return heartbeat{}, false
	}
	length, n := binary.Uvarint(p[1:min(len(p), 1+maxLengthBytes)]) // the same coding
	begin := 1 + n
	if n < 1 || length > uint64(len(p)-begin) {
		return heartbeat{}, false
	}
	b := heartbeat{size: begin + int(length)}
	body := p[begin:b.size]
	topic := len(prefix) + len(wire.LeafPresence)
	if len(body) < 2+topic+2 || int(binary.BigEndian.Uint16(body)) != topic {
		return heartbeat{}, false
	}
	name, rest := body[2:2+topic], body[2+topic:]
	if string(name[:len(prefix)]) != prefix || string(name[len(prefix):]) != wire.LeafPresence {
		return heartbeat{}, false
	}
	b.id, b.payload = [2]byte(rest), rest[2:]
	return b, b.id != [2]byte{}
}

// again answers a heartbeat, and is OnPublish for one that says nothing new, and what
// comes before and after that in the MQTT library. The others, and all while readers
// are there, which get each one, are that library's.
func (h *hook) again(c *conn, b heartbeat) bool {
	c.enter(c.gates.reading)
	var out []byte
	_, awaits := c.client.State.Subscriptions.Get(c.echo.topic)
	answer := c.echo.last.Load()
	answered := awaits && answer != nil && h.handler.Alive()
	known := h.sessions.readers.Load() == 0 && h.handler.Again(c.who.id, b.payload, answered)
	if known {
		out = []byte{puback, 2, b.id[0], b.id[1]}
	}
	if answered {
		out = append(out, *answer...)
		atomic.AddInt64(&h.server.Info.MessagesSent, 1)
	}
	c.leave()            // not while it writes, or is slowed down
	n, _ := c.Write(out) // it closes the connection when it fails
	atomic.AddInt64(&h.server.Info.BytesSent, int64(n))
	if !known {
		return false
	}
	atomic.AddInt64(&h.server.Info.MessagesReceived, 1)
	atomic.AddInt64(&h.server.Info.BytesReceived, int64(b.size))
	h.pace(c, b.size)
	return true
}
