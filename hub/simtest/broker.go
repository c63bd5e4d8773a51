package simtest

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/wire"
)

// silenceLimit is how long the broker waits for a packet: 1.5 times the
// agents' keepalive.
const silenceLimit = keepalive * 3 / 2

// broker is the hub's, and dies with it. It delivers at most once.
type broker struct {
	sim      *Sim
	dead     bool
	retained map[string][]byte
	sessions map[string]*session // by host
}

func newBroker(s *Sim) *broker {
	return &broker{sim: s, retained: map[string][]byte{}, sessions: map[string]*session{}}
}

// session is one connection, seen from both ends.
type session struct {
	id       string
	over     time.Time // when another took its place; zero: none has
	host     *host
	broker   *broker
	link     *link
	will     []byte
	joined   time.Time
	heard    time.Time // by the broker
	served   bool      // the broker's end is open
	open     bool      // the agent's end is
	up, down lane
}

// lane is one direction of a connection. What is under way when the link is
// cut waits for its healing, as TCP has it.
type lane struct {
	last  time.Time
	stuck []func()
}

// join takes an agent's connection, in place of its former one.
func (b *broker) join(x *session) {
	if former := b.sessions[x.host.id]; former != nil {
		former.served, former.over = false, b.sim.now
		former.sendDown(former.link.lostBy(former, "another session took its place"))
	}
	b.sessions[x.host.id] = x
	x.served, x.joined, x.heard = true, b.sim.now, b.sim.now
	b.watch(x)
	for _, topic := range slices.Sorted(maps.Keys(b.retained)) {
		if reads(x.host.id, topic) {
			payload := b.retained[topic]
			b.sim.after(b.sim.chance("network").between(0, 20*time.Millisecond), func() { b.deliver(x, topic, payload) })
		}
	}
}

// reads says whether an agent subscribes to the topic.
func reads(host, topic string) bool {
	id, leaf, _, ok := wire.HostTopic(topic)
	return ok && id == host && slices.Contains([]string{wire.LeafDesired, wire.LeafAck, wire.LeafAsk, wire.LeafPools}, leaf)
}

// watch ends a session that is silent for too long.
func (b *broker) watch(x *session) {
	left := silenceLimit - b.sim.now.Sub(x.heard)
	b.sim.after(left+time.Millisecond, func() {
		switch {
		case b.dead || !x.served:
		case b.sim.now.Sub(x.heard) >= silenceLimit:
			b.end(x)
			x.sendDown(x.link.lostBy(x, "the broker gave the connection up"))
		default:
			b.watch(x)
		}
	})
}

// end closes the broker's end of a session and sends its Will.
func (b *broker) end(x *session) {
	if b.dead || !x.served {
		return
	}
	x.served = false
	if b.sessions[x.host.id] == x {
		delete(b.sessions, x.host.id)
	}
	b.sim.detail("broker", "the session of %s ended", x.host.id)
	b.sim.hub.message(x.host.id, wire.LeafPresence, x.will)
}

// belated is how long what a session had sent before another took its place may
// still be taken in: the broker reads both at once.
const belated = 20 * time.Millisecond

// take has a message of an agent's, once or twice.
func (b *broker) take(x *session, topic string, payload []byte) {
	late := !x.over.IsZero() && b.sim.now.Sub(x.over) <= belated
	if b.dead || !x.served && !late {
		return
	}
	x.heard = b.sim.now
	host, leaf, _, ok := wire.HostTopic(topic)
	if !ok || host != x.host.id {
		return
	}
	b.sim.hub.message(host, leaf, payload)
	if b.happens(b.sim.options.Network.Repeat) {
		b.sim.hub.message(host, leaf, payload)
	}
}

func (b *broker) happens(share float64) bool {
	return share > 0 && b.sim.chance("loss").Float64() < share
}

func (b *broker) publish(m turn.Publish) {
	if m.Retain {
		if len(m.Payload) == 0 {
			delete(b.retained, m.Topic)
		} else {
			b.retained[m.Topic] = m.Payload
		}
	}
	id, _, _, ok := wire.HostTopic(m.Topic)
	x := b.sessions[id]
	if !ok || x == nil || !reads(id, m.Topic) {
		return
	}
	if b.happens(b.sim.options.Network.Loss) {
		b.sim.detail("broker", "drops a message on %s", strings.TrimPrefix(m.Topic, wire.Root+"/"))
		return
	}
	b.deliver(x, m.Topic, m.Payload)
	if b.happens(b.sim.options.Network.Repeat) {
		b.deliver(x, m.Topic, m.Payload)
	}
}

func (b *broker) deliver(x *session, topic string, payload []byte) {
	if x.host.damage && topic == wire.Host(x.host.id, wire.LeafDesired) {
		x.host.damage = false
		payload = damaged(payload)
	}
	if !b.dead && x.served {
		x.sendDown(func() { x.link.received(x, topic, payload) })
	}
}

// damaged turns every goal of a desired state into the other one.
func damaged(payload []byte) []byte {
	return bytes.ReplaceAll(payload, []byte(`"goal":"run"`), []byte(`"goal":"stop"`))
}

// die ends all sessions at once, and sends no Wills.
func (b *broker) die() {
	b.dead = true
	for _, id := range slices.Sorted(maps.Keys(b.sessions)) {
		x := b.sessions[id]
		x.served = false
		x.sendDown(x.link.lostBy(x, "the hub closed the connection"))
	}
}

func (x *session) sendDown(arrive func()) { x.send(&x.down, arrive) }

func (x *session) sendUp(arrive func()) { x.send(&x.up, arrive) }

// send has something arrive at the other end, in order.
func (x *session) send(l *lane, arrive func()) {
	if !x.host.hearsHub() {
		l.stuck = append(l.stuck, arrive)
		return
	}
	s := x.host.sim
	at := s.now.Add(s.hop())
	if !at.After(l.last) {
		at = l.last.Add(time.Microsecond)
	}
	l.last = at
	s.at(at, func() {
		if !x.host.hearsHub() {
			l.stuck = append(l.stuck, arrive)
			return
		}
		arrive()
	})
}

// resume delivers what waited for the link to heal.
func (x *session) resume() {
	for _, l := range []*lane{&x.up, &x.down} {
		stuck := l.stuck
		l.stuck = nil
		for _, arrive := range stuck {
			x.send(l, arrive)
		}
	}
}
