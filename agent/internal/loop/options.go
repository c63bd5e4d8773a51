package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// Engine is the container engine.
type Engine interface {
	// Containers lists all containers, those of lineage and host in full.
	Containers(ctx context.Context, lineage, host string) ([]brain.Container, error)
	// Do carries out one operation, within bounds of its own.
	Do(ctx context.Context, op brain.Op) brain.Result
	// Events calls wake when something happened to a container, and with
	// nothing when it begins to listen. It returns when it can't.
	Events(ctx context.Context, wake func(brain.Noticed)) error
}

// Logs reads the output of containers.
type Logs interface {
	Logs(ctx context.Context, container string, q fleet.LogQuery) (io.ReadCloser, error)
}

// Store keeps the brain's cache on disk.
type Store interface {
	// Encode makes of the cache, as it is now, what Write takes.
	Encode(cache *brain.Cache) ([]byte, error)
	// Write returns nil when it is on disk. It may take its time.
	Write(encoded []byte) error
}

// Secrets keeps secrets readable on this machine, for as long as a container needs
// them and in memory only.
type Secrets interface {
	// Write has the files of an instance's secrets be there.
	Write(instance string, secrets []brain.Secret) error
	// Keep removes the files of all other instances.
	Keep(instances []string)
	// Credentials opens what a registry is to be told.
	Credentials(registry, sealed string) (*fleet.Credentials, error)
}

// Configs keeps configs' files on this machine, for as long as a container needs them.
type Configs interface {
	// Write has the files of an instance's configs be there.
	Write(instance string, files []brain.ConfigFile) error
	// Keep removes the files of all other instances.
	Keep(instances []string)
}

// Link is the connection to the hub.
type Link interface {
	Set(topic string, payload []byte, retain bool) error
	Echo()
}

// Prober runs probes.
type Prober interface {
	Set(targets []brain.ProbeTarget)
}

// Balancer is a load balancer on this host.
type Balancer interface {
	Want(pools []fleet.Pool)
}

// Ours is what the machine's readings leave out: the containers of Muster
// that run, and the ports that they publish.
type Ours struct {
	Containers []string
	Ports      []int
}

// Options of a loop.
type Options struct {
	Brain  brain.Config
	Kept   brain.Cache // what the store had
	Engine Engine
	Logs   Logs
	Store  Store
	// Secrets has this host's key. Nil: there are none.
	Secrets Secrets
	Configs Configs // nil: none can be here
	// Facts and Foreign read the machine.
	Facts   func(ctx context.Context) (brain.FactsRead, error)
	Foreign func(ctx context.Context, ours Ours) (fleet.Foreign, error)
	// Disk reads the file system that the engine keeps its images on.
	Disk func(ctx context.Context) (brain.DiskRead, error)
	// Probe tries a probe's target once, now; nil: nobody can.
	Probe func(ctx context.Context, target *brain.ProbeTarget) error
	// HubHTTP is the hub's HTTP address, for streams: "https://192.0.2.1:8443". HubTLS
	// returns how the hub is known there, by the name in the address; nil: as the
	// machine knows others.
	HubHTTP string
	HubTLS  func(server string) *tls.Config
	// Renew is told that the hub wants this host to have another certificate; nil: it
	// has none.
	Renew  func()
	Logger *slog.Logger
	// Recent is the end of the agent's own log, for whoever asks; nil: there
	// is none.
	Recent io.WriterTo

	Timing Timing
	// Observer measures the loop; nil: nobody does.
	Observer Observer
	// Alive is called now and then, at least every Timing.Alive, while the
	// loop turns. Nil: nobody wants to know.
	Alive func()
	// Withdraw sees to the balancers of a host that leaves the fleet, which either
	// end or go on (fleet.LeaveStop, LeaveKeep). Nil: there are none.
	Withdraw func(ctx context.Context, policy string)
	// Reached is called at named points, for tests that end the agent there.
	// Nil: nobody does.
	Reached func(point string)
}

// Points that Options.Reached is told of.
const (
	PointBeforeSave = "before-save"
	PointAfterSave  = "after-save"
	PointAfterOp    = "after-op" // an operation is done, the brain doesn't know yet
)

// Timing holds the shell's own times.
type Timing struct {
	Resync   time.Duration // between listings that nothing asked for
	Relist   time.Duration // the same while the engine doesn't answer
	Coalesce time.Duration // from a container's end to the listing
	Settle   time.Duration // from any other event of the engine's to the listing
	Facts    time.Duration // between readings of what the machine is
	Foreign  time.Duration // between readings of what others use
	Disk     time.Duration // between readings of how full the engine's disk is
	Ask      time.Duration // longest time for an answer, if the ask names none
	Alive    time.Duration
}

// DefaultTiming returns the times of an ordinary host.
func DefaultTiming() Timing {
	return Timing{
		Resync:   10 * time.Second,
		Relist:   time.Second,
		Coalesce: 5 * time.Millisecond,
		Settle:   100 * time.Millisecond,
		Facts:    time.Minute,
		Foreign:  20 * time.Second,
		Disk:     time.Minute,
		Ask:      30 * time.Second,
		Alive:    5 * time.Second,
	}
}

// Validate checks the options without doing anything.
func (o Options) Validate() error {
	if o.Engine == nil || o.Logs == nil || o.Store == nil || o.Facts == nil || o.Foreign == nil || o.Disk == nil || o.Logger == nil {
		return errors.New("loop options: something to work with is missing")
	}
	t := o.Timing
	for _, d := range []time.Duration{t.Resync, t.Relist, t.Facts, t.Foreign, t.Disk, t.Ask, t.Alive} {
		if d <= 0 {
			return errors.New("loop options: a time is missing")
		}
	}
	return nil
}
