package broker

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/musterhq/muster/shared/wire"
)

const publishQoS0 = 0x30

// echo is what the hub last told an agent in its session that it has taken in. As
// long as the hub is alive, that is the answer to every sign of life: a hub that is
// busy isn't taken for a dead one.
type echo struct {
	topic string
	last  atomic.Pointer[[]byte] // a PUBLISH; nil: none
}

// remember keeps an answer for the agent's next signs of life.
func (b *Broker) remember(topic string, payload []byte) {
	host, leaf, rest, ok := wire.HostTopic(topic)
	if !ok || leaf != wire.LeafAck || rest != "" {
		return
	}
	if c := b.hook.sessions.of(host); c != nil {
		packet := publishPacket(topic, payload)
		c.echo.last.Store(&packet)
	}
}

// publishPacket is a PUBLISH that isn't confirmed.
func publishPacket(topic string, payload []byte) []byte {
	size := 2 + len(topic) + len(payload)
	packet := make([]byte, 0, 1+maxLengthBytes+size)
	packet = binary.AppendUvarint(append(packet, publishQoS0), uint64(size)) // MQTT's coding of lengths
	packet = binary.BigEndian.AppendUint16(packet, uint16(len(topic)))
	return append(append(packet, topic...), payload...)
}
