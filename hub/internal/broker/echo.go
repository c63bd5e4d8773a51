package broker

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/shared/wire"
)

const (
	publishQoS0  = 0x30
	confirmation = 4 // bytes of a PUBACK
	// maxEchoWait bounds how long a heartbeat is left unconfirmed, and what the
	// agent sends behind it unread, for the hub's answer.
	maxEchoWait = time.Second
)

// echo is where the hub's answer to a heartbeat meets the goroutine that read
// it, which writes it together with the confirmation: one write and no way
// through the MQTT library, thousands of times a second. An answer that nobody
// awaits goes that way.
type echo struct {
	topic   string
	awaited atomic.Bool
	packets chan []byte // has room for one; who takes awaited away puts it in
	timer   *time.Timer // the reading goroutine's
}

func newEcho(topic string) *echo {
	e := &echo{topic: topic, packets: make(chan []byte, 1), timer: time.NewTimer(maxEchoWait)}
	e.timer.Stop()
	return e
}

// await makes the next answer the reading goroutine's.
func (e *echo) await() { e.awaited.Store(true) }

// put hands an answer over if one is awaited.
func (e *echo) put(payload []byte) bool {
	if !e.awaited.CompareAndSwap(true, false) {
		return false
	}
	e.packets <- publishPacket(e.topic, payload)
	return true
}

// release ends the wait: the answer goes another way.
func (e *echo) release() {
	if e.awaited.CompareAndSwap(true, false) {
		e.packets <- make([]byte, confirmation)
	}
}

// take ends await and returns the answer, behind room for a confirmation; without
// an answer that room alone. If one is on its way it waits for it, for a while and
// until the connection is closed; otherwise there is one if it came for something
// else.
func (e *echo) take(onItsWay bool, closed <-chan struct{}) []byte {
	if onItsWay {
		e.timer.Reset(maxEchoWait)
		defer e.timer.Stop()
		select {
		case packet := <-e.packets:
			return packet
		case <-closed:
		case <-e.timer.C:
		}
	}
	if e.awaited.CompareAndSwap(true, false) {
		return make([]byte, confirmation)
	}
	return <-e.packets // it was just being put in
}

// publishPacket is a PUBLISH that isn't confirmed, behind room for a
// confirmation.
func publishPacket(topic string, payload []byte) []byte {
	size := 2 + len(topic) + len(payload)
	packet := make([]byte, confirmation, confirmation+1+maxLengthBytes+size)
	packet = binary.AppendUvarint(append(packet, publishQoS0), uint64(size)) // MQTT's coding of lengths
	packet = binary.BigEndian.AppendUint16(packet, uint16(len(topic)))
	return append(append(packet, topic...), payload...)
}

// echoed hands a message over that is the answer to a heartbeat which is waited
// for.
func (b *Broker) echoed(topic string, payload []byte) bool {
	host, leaf, rest, ok := wire.HostTopic(topic)
	if !ok || leaf != wire.LeafAck || rest != "" {
		return false
	}
	c := b.hook.sessions.of(host)
	if c == nil {
		return false
	}
	if b.hook.sessions.readers.Load() > 0 { // they get it, too
		c.echo.release()
		return false
	}
	if !c.echo.put(payload) {
		return false
	}
	atomic.AddInt64(&b.server.Info.MessagesSent, 1)
	return true
}
