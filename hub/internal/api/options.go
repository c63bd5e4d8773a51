package api

import (
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/hub/policy"
)

// Options is what the API is made of.
type Options struct {
	Fleet Fleet
	Asker Asker
	Map   Mapper
	// EditorSchema is the JSON schema of Compose files.
	EditorSchema []byte
	// Sealer seals secrets before they go any further.
	Sealer   Sealer
	People   People
	Trail    Trail
	Identity Identity
	// Names are those that the hub is reached at, and Port is its HTTPS port; 0: it
	// has none.
	Names []string
	Port  int
	// Accounts are those that a list for another broker names.
	Accounts func() []policy.Account
	// Commands takes what is ordered in words; nil: nobody does.
	Commands Commander
	// Ready says why the hub cannot serve yet, or any more; nil: always ready.
	Ready func() error
	// Registry gets the API's metrics and is what /metrics shows: others may
	// register theirs with it. Nil: one of its own.
	Registry *prometheus.Registry
	Logger   *slog.Logger
	Version  string // of the program
	// Settings are what the hub was started with, without secrets.
	Settings []Setting
	// Recent is the end of the hub's log; nil: there is none.
	Recent io.WriterTo
	Limits Limits // zero: DefaultLimits
}

// Limits bound what callers can take of the hub.
type Limits struct {
	ApplyBytes   int64         // a body that applies a document
	OrderBytes   int64         // any other body
	HeaderBytes  int           // a request's headers
	RequestTime  time.Duration // reading a request; writing an answer
	OrderTime    time.Duration // until a command is answered
	Watchers     int           // at a time
	Heartbeat    time.Duration // between signs of life to a watcher
	WriteTime    time.Duration // for each piece of a stream to be taken
	Streams      int           // of logs, at a time
	StreamBegin  time.Duration // until an agent begins to send
	LogBytes     int64         // one answer with logs
	LogTime      time.Duration // one answer with logs
	Followers    int           // callers who follow logs, at a time
	Followed     int           // instances that are followed, at a time
	FollowLook   time.Duration // between looks at which instances there are, and before one is followed anew
	Asks         int           // of hosts, at a time, besides streams
	PruneTime    time.Duration // until a host has removed its images
	ShutdownTime time.Duration // for requests to end by themselves
}

// DefaultLimits are those for a hub.
func DefaultLimits() Limits {
	return Limits{
		ApplyBytes:   2 << 20,
		OrderBytes:   64 << 10,
		HeaderBytes:  32 << 10,
		RequestTime:  30 * time.Second,
		OrderTime:    30 * time.Second,
		Watchers:     256,
		Heartbeat:    15 * time.Second,
		WriteTime:    10 * time.Second,
		Streams:      64,
		StreamBegin:  30 * time.Second,
		LogBytes:     4 << 20,
		LogTime:      time.Minute,
		Followers:    64,
		Followed:     256,
		FollowLook:   time.Second,
		Asks:         64,
		PruneTime:    5 * time.Minute,
		ShutdownTime: 10 * time.Second,
	}
}
