package simtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/wire"
)

// Times of an agent's link, as the real one has them.
const (
	keepalive      = 6 * time.Second
	watchdog       = 9 * time.Second
	connectTimeout = 20 * time.Second
	reconnectLeast = 100 * time.Millisecond
	reconnectFirst = 500 * time.Millisecond
	reconnectMost  = 30 * time.Second
	inFlightMost   = 8
)

// link is the shell's connection to the hub: one session at a time, an outbox
// with one place for each topic, and a watchdog.
type link struct {
	sim      *Sim
	agent    *agent
	session  *session
	order    []string
	slots    map[string]message
	serial   uint64
	inFlight map[string]uint64
	failures int
	echoed   bool
	echoAt   time.Time
}

type message struct {
	payload []byte
	serial  uint64
}

func newLink(a *agent) *link {
	return &link{sim: a.sim, agent: a, slots: map[string]message{}, inFlight: map[string]uint64{}}
}

// connect tries again and again, as TCP does, until it gives up.
func (l *link) connect(began time.Time) {
	if l.agent.dead {
		return
	}
	s, tried := l.sim, l.sim.now.Sub(began)
	switch {
	case !l.agent.host.hearsHub() && tried >= connectTimeout:
		l.retry()
	case !l.agent.host.hearsHub():
		s.after(min(tried+time.Second, connectTimeout-tried), func() { l.connect(began) })
	case !s.hub.up:
		s.after(s.hop(), l.retry)
	default:
		broker := s.hub.broker
		s.after(3*s.hop(), func() {
			if !l.agent.host.hearsHub() || broker.dead {
				l.connect(began)
				return
			}
			l.connected(broker)
		})
	}
}

func (l *link) retry() {
	l.failures++
	upper := reconnectFirst
	for n := l.failures; n > 1 && upper < reconnectMost; n-- {
		upper *= 2
	}
	l.sim.after(l.sim.chance("link "+l.agent.host.id).between(reconnectLeast, min(upper, reconnectMost)), func() { l.connect(l.sim.now) })
}

func (l *link) connected(b *broker) {
	if l.agent.dead {
		return
	}
	x := &session{id: fmt.Sprintf("%016x", l.sim.chance("sessions").Uint64()), host: l.agent.host, broker: b, link: l, open: true}
	_, will := l.agent.will(x.id)
	x.will = will
	l.session, l.echoed, l.echoAt = x, false, l.sim.now
	for _, leaf := range []string{wire.LeafPresence, wire.LeafActual} { // told anew
		l.forget(wire.Host(x.host.id, leaf))
	}
	b.join(x)
	l.sim.detail(x.host.id, "is connected")
	l.agent.connected(x.id)
	l.ping(x)
	l.watch(x)
	l.send()
}

func (l *link) ping(x *session) {
	l.sim.after(keepalive, func() {
		if x.open {
			x.sendUp(func() { x.heard = l.sim.now })
			l.ping(x)
		}
	})
}

func (l *link) watch(x *session) {
	l.sim.after(watchdog-l.sim.now.Sub(l.echoAt)+time.Millisecond, func() {
		switch {
		case !x.open:
		case l.sim.now.Sub(l.echoAt) >= watchdog:
			l.lostBy(x, "the hub has not answered")()
		default:
			l.watch(x)
		}
	})
}

// lostBy returns what happens when the agent's end of a session breaks.
func (l *link) lostBy(x *session, why string) func() {
	return func() {
		if !x.open {
			return
		}
		l.close(x)
		l.sim.detail(x.host.id, "is disconnected: %s", why)
		l.agent.disconnected()
		if l.echoed {
			l.failures = 0
		}
		l.retry()
	}
}

// close ends the agent's side; the broker learns it if the network lets it.
func (l *link) close(x *session) {
	x.open = false
	l.inFlight = map[string]uint64{}
	x.sendUp(func() { x.broker.end(x) })
}

func (l *link) echo() { l.echoed, l.echoAt = true, l.sim.now }

func (l *link) received(x *session, topic string, payload []byte) {
	if x.open && !l.agent.dead {
		l.agent.message(topic, payload)
	}
}

// set leaves a message for a topic, in place of what waits there.
func (l *link) set(topic string, payload []byte) {
	if _, waits := l.slots[topic]; !waits {
		l.order = append(l.order, topic)
	}
	l.serial++
	l.slots[topic] = message{payload: payload, serial: l.serial}
	l.send()
}

func (l *link) send() {
	x := l.session
	if x == nil || !x.open {
		return
	}
	for _, topic := range slices.Clone(l.order) {
		if _, flies := l.inFlight[topic]; flies || len(l.inFlight) >= inFlightMost {
			continue
		}
		m := l.slots[topic]
		l.inFlight[topic] = m.serial
		x.sendUp(func() {
			x.broker.take(x, topic, m.payload)
			if x.broker.dead || !x.served {
				return
			}
			x.sendDown(func() { l.confirmed(x, topic, m.serial) })
		})
	}
}

func (l *link) confirmed(x *session, topic string, serial uint64) {
	if !x.open || l.agent.dead {
		return
	}
	delete(l.inFlight, topic)
	if l.slots[topic].serial == serial {
		l.forget(topic)
	}
	l.send()
}

func (l *link) forget(topic string) {
	delete(l.slots, topic)
	l.order = slices.DeleteFunc(l.order, func(other string) bool { return other == topic })
}
