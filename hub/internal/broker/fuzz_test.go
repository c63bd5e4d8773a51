package broker

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// FuzzFirstPacket: what is let through begins with a CONNECT whose length is
// bounded, and the verdict doesn't depend on the pieces in which it comes.
func FuzzFirstPacket(f *testing.F) {
	connect := []byte("\x10\x0c\x00\x04MQTT\x05\x02\x00\x06\x00\x00\x00")
	f.Add(connect, uint8(1))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint8(3))
	f.Add([]byte{0x10, 0xff, 0xff, 0xff, 0x7f}, uint8(2))
	f.Add([]byte{0x10, 0x80, 0x80, 0x80, 0x80, 0x01}, uint8(1))
	f.Add(binary.AppendUvarint([]byte{0x10}, maxConnect), uint8(1))
	f.Add(binary.AppendUvarint([]byte{0x10}, maxConnect+1), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, pieces firstPacket
		refused := whole.check(stream)
		var inPieces error
		for rest := stream; len(rest) > 0 && inPieces == nil; {
			n := min(len(rest), int(size)+1)
			inPieces = pieces.check(rest[:n])
			rest = rest[n:]
		}
		if (refused == nil) != (inPieces == nil) || refused == nil && whole != pieces {
			t.Errorf("%x is %v, and in pieces of %d it is %v", stream, refused, int(size)+1, inPieces)
		}
		if refused != nil || !whole.passed {
			return
		}
		length, n := binary.Uvarint(stream[1:])
		if stream[0] != connectHeader || n < 1 || n > 3 || length > maxConnect || int(length) != whole.length {
			t.Errorf("%x was let in with the length %d", stream, whole.length)
		}
	})
}

// FuzzAccess: whatever topic or filter is asked for, an agent writes and reads
// nothing of another host's, and nobody but it reads its environments.
func FuzzAccess(f *testing.F) {
	for _, leaf := range []string{
		wire.LeafActual, wire.LeafPresence, wire.LeafEvents, wire.LeafMetrics, wire.LeafDesired, wire.LeafAck, wire.LeafAsk, wire.LeafResult + "/ask-1",
		wire.LeafPools + "/shop/web", wire.LeafPools + "/+/+", wire.LeafPools + "/#", "#", "+",
	} {
		f.Add(wire.Host("web1", leaf))
		f.Add(wire.Host("web2", leaf))
		f.Add(wire.Host("+", leaf))
	}
	f.Add("#")
	f.Add(wire.Root + "/#")
	f.Add(wire.HubState)
	f.Add(wire.EventTopic(fleet.EventHostJoined))
	var agent, reader identity
	agent.agent("web1")
	reader.reader(fleet.Principal{Name: "ann", Role: fleet.RoleViewer}, "laptop")
	f.Fuzz(func(t *testing.T, topic string) {
		host, leaf, _, _ := wire.HostTopic(topic)
		if agent.mayPublish(topic) && (host != "web1" || strings.ContainsAny(leaf, "+#") || hubWrites(leaf)) {
			t.Errorf("web1 may publish to %q", topic)
		}
		if agent.may.MayRetain(topic) && !agent.mayPublish(topic) {
			t.Errorf("web1 may retain on %q, and not publish there", topic)
		}
		if agent.mayRead(topic) && (host != "web1" || strings.ContainsAny(leaf, "+#")) {
			t.Errorf("web1 may read %q", topic)
		}
		if reader.mayPublish(topic) || reader.mayRead(topic) && (leaf == wire.LeafDesired || leaf == wire.LeafAsk) {
			t.Errorf("a reader may have %q", topic)
		}
		var unknown identity
		if unknown.mayPublish(topic) || unknown.mayRead(topic) {
			t.Errorf("anybody may have %q", topic)
		}
		if publishable(topic) && bytes.ContainsAny([]byte(topic), "+#\x00") {
			t.Errorf("the hub may publish to %q", topic)
		}
	})
}

// hubWrites says whether a leaf of a host's topics is the hub's to write.
func hubWrites(leaf string) bool {
	switch leaf {
	case wire.LeafDesired, wire.LeafAck, wire.LeafAsk, wire.LeafPools:
		return true
	}
	return false
}
