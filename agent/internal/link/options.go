package link

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// Options of a Link. Start from DefaultOptions.
//
// The callbacks are called one at a time: OnConnected first, then OnMessage,
// then OnDisconnected, and so on for the next session. They may call Set and
// Echo. A callback that blocks holds up the link's end, so they should only
// put something into a queue.
type Options struct {
	Server    string // "mqtts://<host>:<port>"; "tcp://…": plain
	Host      string // this host's id
	MachineID string // tells the hub that it is still the same machine
	// TLS returns how this host proves who it is, for each connection anew; it is
	// given the server's name. Nil: the server is plain.
	TLS func(server string) *tls.Config
	// OnRejected is told when the server didn't take the certificate, and OnRefused
	// when it took that and lets the host in all the same no more. They may be nil.
	OnRejected, OnRefused func()
	Logger                *slog.Logger

	// Will returns what the broker publishes, retained, when the session
	// ends without a farewell: the host's presence, not empty.
	Will func(session string) (topic string, payload []byte)
	// OnConnected begins a session. The subscriptions are in place; what is
	// Set in here replaces what waited for its topic.
	OnConnected func(session string)
	// OnDisconnected ends a session that OnConnected began; err is nil after
	// a farewell.
	OnDisconnected func(err error)
	// OnMessage takes a message of the hub's. The newest of a topic may stand
	// for older ones, except for asks.
	OnMessage func(topic string, payload []byte)

	KeepAlive      time.Duration // whole seconds; the broker gives up after 1.5 times this
	PingTimeout    time.Duration // the connection is dropped when a ping is not answered
	ConnectTimeout time.Duration // for connecting and subscribing
	WriteTimeout   time.Duration // for each write to the network
	ConfirmTimeout time.Duration // the connection is dropped when a message isn't confirmed
	Watchdog       time.Duration // the connection is dropped without an Echo for so long

	// The pause before connecting again is random: between ReconnectMin and
	// ReconnectFirst at first, the upper end doubling up to ReconnectMax with
	// each session that brought no Echo.
	ReconnectMin   time.Duration
	ReconnectFirst time.Duration
	ReconnectMax   time.Duration

	MaxTopics   int // most topics in the outbox
	MaxInFlight int // most messages that wait for their confirmation
	MaxInbox    int // most messages in the inbox
}

// DefaultOptions has the times and limits; the rest is the caller's.
func DefaultOptions() Options {
	return Options{
		KeepAlive:      6 * time.Second,
		PingTimeout:    15 * time.Second,
		ConnectTimeout: 20 * time.Second,
		WriteTimeout:   5 * time.Second,
		ConfirmTimeout: 15 * time.Second,
		Watchdog:       9 * time.Second,
		ReconnectMin:   100 * time.Millisecond,
		ReconnectFirst: 500 * time.Millisecond,
		ReconnectMax:   10 * time.Second,
		MaxTopics:      256,
		MaxInFlight:    8,
		MaxInbox:       4096,
	}
}

// Validate checks the options without doing anything.
func (o Options) Validate() error {
	if err := fleet.ValidateHost(o.Host); err != nil {
		return err
	}
	if _, err := o.address(); err != nil {
		return err
	}
	switch {
	case o.MachineID == "":
		return errors.New("link options: MachineID is missing")
	case o.Logger == nil || o.Will == nil || o.OnConnected == nil || o.OnDisconnected == nil || o.OnMessage == nil:
		return errors.New("link options: Logger or a callback is missing")
	case o.KeepAlive < time.Second || o.KeepAlive%time.Second != 0:
		return errors.New("link options: KeepAlive must be whole seconds")
	case o.PingTimeout <= 0 || o.ConnectTimeout <= 0 || o.WriteTimeout <= 0 || o.ConfirmTimeout <= 0 || o.Watchdog <= 0:
		return errors.New("link options: a timeout is missing")
	case o.ReconnectMin < 0 || o.ReconnectFirst < o.ReconnectMin || o.ReconnectMax < o.ReconnectFirst || o.ReconnectMax == 0:
		return errors.New("link options: reconnecting needs 0 <= ReconnectMin <= ReconnectFirst <= ReconnectMax")
	case o.MaxTopics < 1 || o.MaxInFlight < 1 || o.MaxInbox < 1:
		return errors.New("link options: a limit is too small")
	}
	return nil
}

// address returns the server as "host:port".
func (o Options) address() (string, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "tcp" && u.Scheme != "mqtts" || u.Port() == "" {
		return "", fleet.Invalid("server", "%q is not the address of a hub", o.Server).WithHint("use mqtts://<host>:8883")
	}
	if (u.Scheme == "mqtts") != (o.TLS != nil) {
		return "", errors.New("link options: TLS is for mqtts:// alone, which needs it")
	}
	return u.Host, nil
}

// maxPayload leaves room for the topic in the broker's largest packet.
const maxPayload = wire.MaxMessage - 1<<10

// sendable says whether the broker takes the message from this host. It cuts
// off who sends it another, so that one never gets into the outbox, where it
// would be sent again after each reconnect.
func (o Options) sendable(topic string, payload []byte) error {
	if len(payload) > maxPayload {
		return fleet.Invalid("payload", "the message for %.200s has %d bytes, more than %d", topic, len(payload), maxPayload)
	}
	host, leaf, rest, ok := wire.HostTopic(topic)
	if !ok || host != o.Host {
		return fmt.Errorf("%q is not a topic of host %s", topic, o.Host)
	}
	switch leaf {
	case wire.LeafActual, wire.LeafPresence, wire.LeafEvents, wire.LeafMetrics:
		ok = rest == ""
	case wire.LeafResult:
		ok = rest != "" && len(rest) <= 64 && !strings.Contains(rest, "/")
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("hosts don't publish to %q", topic)
	}
	return nil
}
