package broker

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/musterhq/muster/shared/wire"
)

// hook is the only one that the MQTT library is given: the answers of
// several would be joined by "or".
type hook struct {
	mqtt.HookBase
	options  *Options
	handler  Handler
	sessions *sessions
	server   *mqtt.Server
	draining atomic.Bool // the hub goes down: nobody is lost by that
	// turnedAway counts clients that were refused or cut off.
	turnedAway atomic.Uint64
}

func (h *hook) ID() string { return "muster" }

func (h *hook) Provides(b byte) bool {
	return slices.Contains([]byte{
		mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead,
		mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnWill, mqtt.OnWillSent,
		mqtt.OnRetainPublished, mqtt.OnPacketEncode,
	}, b)
}

// OnConnectAuthenticate lets a client in or not, and ends its former session.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return false
	}
	c.leave() // a password takes its time
	began := h.sessions.now()
	who, err := h.options.identify(c, cl.ID, pk.Connect, cl.Properties.ProtocolVersion)
	if err == nil && h.draining.Load() {
		err = errors.New("the hub is shutting down")
	}
	if err == nil && who.role == roleAgent {
		c.echo = &echo{topic: who.prefix + wire.LeafAck}
		err = h.handler.Admit(who.id, who.machine)
	}
	if err == nil {
		// No session outlives its connection: delivery is QoS 0, there is
		// nothing to keep. Topic aliases break when a message is dropped.
		cl.ID = who.id
		cl.Properties.Clean = true
		cl.Properties.Props.SessionExpiryInterval = 0
		cl.Properties.Props.TopicAliasMaximum = 0
		c.client, c.server = cl, h.server
		if err = h.sessions.claim(c, who, began); err == nil {
			c.settled()
			c.enter(c.gates.working) // not before: claim waits for others
			if who.role == roleAgent {
				c.again = func(b heartbeat) bool { return h.again(c, b) }
			}
		}
	}
	if err != nil {
		h.refused(who, cl.Net.Remote, err)
	}
	return err == nil
}

func (h *hook) refused(who identity, remote string, err error) {
	h.turnedAway.Add(1)
	h.options.Logger.Warn("client refused", who.logKey(), who.id, "role", who.role.String(), "remote", remote, "error", err)
	if who.role == roleAgent {
		h.handler.Refused(who.id, err.Error())
	}
}

// OnPacketRead slows a client down that sends too much.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return pk, nil
	}
	h.pace(c, pk.FixedHeader.Remaining)
	c.enter(c.gates.working)
	return pk, nil
}

// pace has a client wait that sends too much.
func (h *hook) pace(c *conn, size int) {
	now := time.Now()
	wait := c.bucket.take(now, size)
	if wait <= 0 {
		return
	}
	h.slow(c, now)
	c.leave()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.closed:
	}
}

// slowedEvery is the pause between two words about a client that sends too much.
const slowedEvery = time.Minute

func (h *hook) slow(c *conn, now time.Time) {
	if now.Sub(c.slowed) < slowedEvery {
		return
	}
	c.slowed = now
	h.options.Logger.Warn("client slowed down", "client", c.who.id, "role", c.who.role.String(), "remote", c.RemoteAddr().String(), "rate", h.options.Rate)
	if c.who.role == roleAgent {
		h.handler.Slowed(c.who.id, h.options.Rate)
	}
}

// OnACLCheck runs at each subscription, each publication and each delivery.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return false
	}
	if write {
		return c.who.mayPublish(topic) || c.who.isNews(topic) || c.who.orders(topic)
	}
	return c.who.mayRead(topic)
}

// OnSubscribe grants QoS 0 to all. A filter that passes the client's limit
// is made invalid, so that it is refused on its own.
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	filters := make(packets.Subscriptions, len(pk.Filters))
	had := cl.State.Subscriptions.Len()
	for i, sub := range pk.Filters {
		if had+i >= h.options.Subscriptions || len(sub.Filter) > maxTopic {
			sub.Filter = ""
		}
		sub.Qos = 0
		sub.Filter = strings.Clone(sub.Filter) // it shares the packet's memory
		filters[i] = sub
	}
	pk.Filters = filters
	return pk
}

// OnPublish hands an agent's message to the hub before it is confirmed.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	c, ok := cl.Net.Conn.(*conn)
	if ok && c.who.orders(pk.TopicName) {
		h.handler.Command(Order{By: c.who.by, Topic: strings.Clone(pk.TopicName), Payload: bytes.Clone(pk.Payload), Retained: pk.FixedHeader.Retain})
		return pk, packets.CodeSuccessIgnore
	}
	news := ok && c.who.isNews(pk.TopicName)
	if !ok || !news && !c.who.mayPublish(pk.TopicName) {
		return pk, packets.ErrRejectPacket
	}
	if pk.FixedHeader.Retain && !c.who.may.MayRetain(pk.TopicName) {
		h.refused(c.who, cl.Net.Remote, errors.New("only actual and presence may be retained"))
		_ = c.Close()
		return pk, packets.ErrRejectPacket
	}
	if news {
		return pk, packets.CodeSuccessIgnore
	}
	pk.TopicName = strings.Clone(pk.TopicName) // it shares the packet's memory
	h.deliver(c, pk)
	return pk, nil
}

// OnWill withholds the Will of a session that another one has replaced, and
// everybody's when the hub itself goes down.
func (h *hook) OnWill(cl *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || c.superseded.Load() || h.draining.Load() {
		return mqtt.Will{}, nil
	}
	return will, nil
}

func (h *hook) OnWillSent(cl *mqtt.Client, pk packets.Packet) {
	if c, ok := cl.Net.Conn.(*conn); ok && pk.TopicName != "" {
		h.deliver(c, pk)
	}
}

func (h *hook) deliver(c *conn, pk packets.Packet) {
	if host, leaf, rest, ok := wire.HostTopic(pk.TopicName); ok && host == c.who.id {
		h.handler.Message(host, leaf, rest, pk.Payload)
	}
}
