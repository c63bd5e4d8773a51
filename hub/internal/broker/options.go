package broker

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/wire"
)

// Options of a Broker. Start from DefaultOptions.
type Options struct {
	Doors  []Door
	Guard  Guard // nil: nobody comes in but by an open door
	Logger *slog.Logger

	Agents        int // most agents connected at once
	Readers       int // most readers connected at once
	Pending       int // most connections that haven't said who they are yet
	PendingPerIP  int // of those, most from one address
	Subscriptions int // most subscriptions of one client

	// ConnectTimeout is how long a peer has for its CONNECT packet.
	ConnectTimeout time.Duration
	// WriteTimeout is how long a peer may take in nothing while the broker
	// writes to it; after that it is disconnected.
	WriteTimeout time.Duration
	// TakeoverTimeout is how long a client waits for the end of the session
	// that it replaces; after that it is refused.
	TakeoverTimeout time.Duration
	// MinKeepAlive and MaxKeepAlive bound what clients may ask for. A client
	// is gone after 1.5 times its keepalive without a packet.
	MinKeepAlive time.Duration
	MaxKeepAlive time.Duration

	// Handshakes bounds how many connections a second prove who they are by TLS:
	// all, which wait for their turn, and those of one address, whose others are
	// turned away. Half of the turns are for addresses that begin few. A handshake
	// takes a thousandth of a second of a core, and those who are in already need
	// the cores.
	Handshakes      float64
	HandshakesPerIP float64

	// Rate and Burst bound what one client sends, in packets a second and
	// packets at once; each 16 KiB count as one more. A faster client is
	// slowed down, not disconnected.
	Rate  float64
	Burst int
}

// DefaultOptions are right for thousands of hosts. Doors, Guard and Logger are
// the caller's.
func DefaultOptions() Options {
	return Options{
		Agents:          20_000,
		Readers:         256,
		Pending:         4_096,
		PendingPerIP:    512,
		Subscriptions:   32,
		ConnectTimeout:  5 * time.Second,
		WriteTimeout:    2 * time.Second,
		TakeoverTimeout: 5 * time.Second,
		MinKeepAlive:    5 * time.Second,
		MaxKeepAlive:    600 * time.Second,
		Handshakes:      500,
		HandshakesPerIP: 100,
		Rate:            100,
		Burst:           400,
	}
}

// Validate checks the options without doing anything.
func (o Options) Validate() error {
	switch {
	case len(o.Doors) == 0:
		return errors.New("broker options: there is no door")
	case o.Guard == nil && slices.ContainsFunc(o.Doors, func(d Door) bool { return !d.Open }):
		return errors.New("broker options: a door that isn't open needs a guard")
	case o.Logger == nil:
		return errors.New("broker options: Logger is missing")
	case o.Agents < 1 || o.Readers < 0 || o.Pending < 1 || o.PendingPerIP < 1 || o.Handshakes <= 0 || o.HandshakesPerIP <= 0 || o.Subscriptions < agentFilters:
		return errors.New("broker options: a limit is too small")
	case o.ConnectTimeout <= 0 || o.WriteTimeout <= 0 || o.TakeoverTimeout <= 0:
		return errors.New("broker options: a timeout is missing")
	case o.MinKeepAlive < time.Second || o.MaxKeepAlive < o.MinKeepAlive || o.MaxKeepAlive > 12*time.Hour:
		return errors.New("broker options: keepalive needs 1s <= MinKeepAlive <= MaxKeepAlive <= 12h")
	case o.Rate <= 0 || o.Burst <= maxPacket/packetCost:
		return errors.New("broker options: Rate and Burst must let the largest message through")
	}
	return nil
}

// Sizes in bytes.
const (
	maxPacket  = wire.MaxMessage   // any packet from a client
	maxPayload = maxPacket - 1<<10 // leaves room for the topic
	maxConnect = 16 << 10          // a CONNECT packet, Will included
	maxWill    = 8 << 10           // a Will's payload
)

// Bounds of topics and filters.
const (
	maxTopic     = 384 // bytes
	maxSlashes   = 7   // slashes in a filter
	maxAskID     = 64  // bytes of what follows result/
	maxClientID  = 128 // bytes
	maxMachineID = 128 // bytes
	agentFilters = 4   // what an agent subscribes to
)
