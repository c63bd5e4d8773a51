package loop

import (
	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Message takes a message of the hub's.
func (l *Loop) Message(topic string, payload []byte) {
	host, leaf, rest, ok := wire.HostTopic(topic)
	if !ok || host != l.options.Brain.Host {
		return
	}
	switch leaf {
	case wire.LeafDesired:
		l.input(brain.DesiredReceived{Payload: payload})
	case wire.LeafPools:
		service, err := fleet.ParseServiceKey(rest)
		if err != nil {
			l.options.Logger.Warn("pool refused", "topic", topic, "error", err)
			return
		}
		l.input(brain.PoolReceived{Service: service, Payload: payload})
	case wire.LeafAck:
		l.put(func(s *shell) {
			s.around.Link.Echo()
			s.step(brain.AckReceived{Payload: payload})
		})
	case wire.LeafAsk:
		l.put(func(s *shell) { s.ask(payload) })
	}
}
