package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Handler is the hub's side. Its methods are called from many goroutines,
// for one host from one at a time, and must not block: they answer from
// memory or put something into a queue.
type Handler interface {
	// Admit says whether the machine may be that host, before a former
	// session of the host is touched. An error refuses it.
	Admit(host, machineID string) error
	// Message is what an agent published, or its Will: leaf and rest are
	// those of wire.HostTopic. The payload has at most wire.MaxMessage
	// bytes, may be empty, and must not be changed.
	Message(host, leaf, rest string, payload []byte)
	// Again is what Message is, for an agent's presence alone, if that says
	// what the host's last one said. Otherwise it does nothing, and the same
	// comes as a Message. The payload is only lent. answered: the agent gets what the
	// hub last published to its ack topic once more.
	Again(host string, presence []byte, answered bool) bool
	// Alive says whether the hub takes in what agents say, though it may have to wait.
	Alive() bool
	// Refused is told of every agent that was refused or cut off for what it
	// sent, Admit's refusals included.
	Refused(host, reason string)
	// Slowed is told, once a minute at most for a connection, of an agent that
	// sends more than Options.Rate and so waits.
	Slowed(host string, rate float64)
	// Cloned is told, once a minute at most for a host, of two addresses that take
	// its session from each other.
	Cloned(host, one, other string)
	// Command is told of every order that somebody publishes. It decides whether
	// they may, and answers.
	Command(Order)
}

// Order is what somebody has published to a topic for commands.
type Order struct {
	By       fleet.Principal
	Topic    string
	Payload  []byte // the handler's own
	Retained bool   // which no order may be
}

// qos of what the hub publishes. Subscribers are granted 0.
const qos = 1

// Broker is the hub's MQTT broker.
type Broker struct {
	options Options
	server  *mqtt.Server
	hook    *hook
	started atomic.Bool
	closed  atomic.Bool
}

// New prepares a broker. It starts nothing and doesn't listen yet. What is
// published as retained before Run is there when the first agent connects.
func New(options Options, handler Handler) (*Broker, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	if handler == nil {
		return nil, errors.New("new broker: the handler is missing")
	}
	b := &Broker{options: options}
	b.server = mqtt.New(&mqtt.Options{
		InlineClient:             true,
		Capabilities:             capabilities(&options),
		ClientNetReadBufferSize:  1 << 10,
		ClientNetWriteBufferSize: 1 << 10,
		Logger:                   slog.New(vendorLog{options.Logger.Handler()}),
	})
	b.hook = &hook{options: &b.options, handler: handler, sessions: newSessions(&options), server: b.server}
	b.hook.sessions.cloned = handler.Cloned
	if err := b.server.AddHook(b.hook, nil); err != nil {
		return nil, fmt.Errorf("new broker: %w", err)
	}
	return b, nil
}

func capabilities(o *Options) *mqtt.Capabilities {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = int64(o.Agents + o.Readers)
	c.MaximumMessageExpiryInterval = 0 // otherwise retained messages vanish after a day
	c.MaximumClientWritesPending = maxQueue
	c.MaximumSessionExpiryInterval = 3600
	c.MaximumPacketSize = maxPacket
	c.ReceiveMaximum = 64
	c.MaximumInflight = 64
	c.TopicAliasMaximum = 0
	c.SharedSubAvailable = 0
	c.MinimumProtocolVersion = 4
	c.MaximumQos = 1
	return c
}

// Run serves clients until ctx is done, then disconnects all and returns
// nil. Their Wills are not published: the hub goes, not they. Run can be
// called once.
func (b *Broker) Run(ctx context.Context) error {
	if b.started.Swap(true) {
		return errors.New("run broker: it was started before")
	}
	defer b.closed.Store(true)
	failed := make(chan error, len(b.options.Doors))
	crowd, gates := newEntrance(&b.options), newGates()
	for i, door := range b.options.Doors {
		l := newListener(i, door, &b.options, b.hook.sessions, crowd, gates, failed)
		if err := b.server.AddListener(l); err != nil { // only two of the same id are refused
			return fmt.Errorf("run broker: %w", err)
		}
		// The library's own Serve would begin its house-keeping, too: each second it
		// copies all clients and all retained messages, to find what has expired.
		// Here nothing expires, and nobody may read its statistics.
		go l.Serve(b.server.EstablishConnection)
		b.options.Logger.Info("broker started", "address", l.Address(), "tls", door.TLS != nil, "open", door.Open)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	b.hook.draining.Store(true)
	b.closed.Store(true)
	if closing := b.server.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("close broker: %w", closing))
	}
	return err
}

// Publish sends payload to all who subscribed to topic, and keeps it for
// later ones if retain is set; an empty one clears what is kept. It never waits for a subscriber: one that is
// too slow misses the message. The payload may be reused afterwards.
func (b *Broker) Publish(topic string, payload []byte, retain bool) error {
	switch {
	case b.closed.Load():
		return &fleet.Error{Code: fleet.CodeUnavailable, Message: "the broker is closed"}
	case !publishable(topic):
		return fleet.Invalid("topic", "%.200q is not a topic of Muster's", topic)
	case len(payload) > maxPayload:
		return fleet.Invalid("payload", "the message for %s has %d bytes, more than %d", topic, len(payload), maxPayload)
	case retain && isCommand(topic):
		return fleet.Invalid("topic", "a command is never retained: %s", topic)
	}
	if !retain && b.nobodys(topic) {
		return nil
	}
	b.remember(topic, payload)
	if err := b.server.Publish(topic, payload, retain, qos); err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// nobodys is a message that is not to be kept, and that no agent may read while
// no reader is there: of events there may be thousands at once.
func (b *Broker) nobodys(topic string) bool {
	_, _, _, hosts := wire.HostTopic(topic)
	return !hosts && b.hook.sessions.readers.Load() == 0
}
