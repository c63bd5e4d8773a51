// Package hub wires the hub together: the store, the brain in its loop, the
// broker and the HTTP API. It is the only place that knows them all.
package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/hub/internal/api"
	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/hub/internal/commands"
	"github.com/musterhq/muster/hub/internal/control"
	"github.com/musterhq/muster/hub/internal/fleetloop"
	"github.com/musterhq/muster/hub/internal/identity"
	"github.com/musterhq/muster/hub/internal/judge"
	"github.com/musterhq/muster/hub/internal/people"
	"github.com/musterhq/muster/hub/internal/secrets"
	"github.com/musterhq/muster/hub/internal/store"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/buildinfo"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
	"github.com/musterhq/muster/shared/recentlog"
)

// fewFiles is the limit of open files below which a fleet of thousands can't
// connect.
const fewFiles = 16384

// recentLog is how much of its log the hub keeps in memory, in bytes.
const recentLog = 1 << 20

// Run runs a hub until ctx is done. Its errors say what an operator can do.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	recent := recentlog.New(recentLog)
	o.Logger = recent.Tee(o.Logger)
	o.warnFewFiles()
	stored, err := openStore(o)
	if err != nil {
		return err
	}
	defer stored.Close()
	sealed, err := openVault(o, stored)
	if err != nil {
		return err
	}
	sealer, err := secrets.New(sealed)
	if err != nil {
		return err
	}
	parts := &parts{stored: stored, secrets: sealer}
	o.Turn.Encrypt = sealer.Encrypt
	open, err := listen(&o)
	if err != nil {
		return err
	}
	parts.identity = newIdentity(o, parts, sealed, open)
	parts.people = o.people(stored)
	state, start, err := load(stored, o, parts.identity, parts.people)
	if err == nil {
		err = parts.assemble(o, state, start, open, recent)
	}
	if err != nil {
		return errors.Join(err, open.close())
	}
	o.Logger.Info("hub started", append([]any{"version", buildinfo.String()}, append(open.log(), "lineage", state.Lineage, "epoch", state.Epoch, "revision", state.Revision)...)...)
	group, ctx := errgroup.WithContext(ctx)
	for host, row := range state.Left { // it may have been killed before it could
		if !row.Admitted {
			parts.identity.Revoke(host)
		}
	}
	group.Go(func() error { return parts.loop.Run(ctx) })
	group.Go(func() error { return parts.broker.Run(ctx) })
	group.Go(func() error { return parts.identity.Run(ctx) })
	if open.https != nil {
		group.Go(func() error {
			return parts.api.Serve(ctx, tls.NewListener(api.Bounded(open.https), parts.identity.WebTLS()), parts.api.Bearer(fleet.ViaHTTPS))
		})
	}
	if open.web != nil {
		group.Go(func() error { return parts.api.Serve(ctx, open.web, parts.door(o)) })
	}
	if open.socket != nil {
		group.Go(func() error { return parts.api.Serve(ctx, open.socket, api.Peer) })
	}
	group.Go(func() error { return parts.people.Run(ctx) })
	group.Go(func() error { return parts.commands.Run(ctx) })
	group.Go(func() error { return notify(ctx, parts.sound) })
	group.Go(func() error { return parts.thrift.run(ctx) })
	if open.debug != nil {
		o.Logger.Info("metrics and profiles are served", "address", o.Debug.Addr)
		group.Go(func() error { return debug.Serve(ctx, open.debug, parts.api.Metrics(), o.Debug.Insecure) })
	}
	if local := o.control(); local != nil {
		group.Go(func() error { return control.Serve(ctx, local, parts.backup, o.Logger.With("part", "control")) })
	}
	err = group.Wait()
	if err != nil {
		o.Logger.Error("hub stopped", "error", err)
	} else {
		o.Logger.Info("hub stopped")
	}
	return err
}

func (o Options) warnFewFiles() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < fewFiles {
		o.Logger.Warn("few files may be open: agents beyond that can't connect", "limit", limit.Cur, "wanted", fewFiles)
	}
}

func (o Options) storeOptions() store.Options {
	options := store.DefaultOptions(slices.Concat(turn.Tables, identity.Tables, people.Tables, []string{vaultTable})...)
	options.Retention, options.MustExist = o.EventsKept, o.RequireStore
	return options
}

// openStore opens the store. A new one is told: where there should have been
// one, its disk isn't there. So is an upgrade, which has a way back.
func openStore(o Options) (*store.Store, error) {
	stored, err := store.Open(o.storePath(), o.storeOptions())
	if err == nil && stored.Upgraded() != nil {
		up := stored.Upgraded()
		o.Logger.Info("the store was upgraded: the former hub can't open it any more, and can restore the backup",
			"store", o.storePath(), "from_schema", up.From, "to_schema", up.To, "backup", up.Backup)
	}
	if err == nil && stored.Meta().Epoch == 0 && stored.Meta().Restored == 0 {
		o.Logger.Warn("the store is new: agents of a hub that was here before won't follow this one",
			"store", o.storePath(), "lineage", stored.Meta().Lineage)
	}
	return stored, err
}

// control makes the socket that backups are asked for at. Without it the hub
// does everything else.
func (o Options) control() net.Listener {
	listener, err := control.Listen(o.controlPath())
	if err != nil {
		o.Logger.Warn("no backup can be made while this hub runs", "error", err)
		return nil
	}
	return listener
}

// load reads the state. Start is the hub's time: no earlier than its epoch,
// so that a clock that was set back doesn't turn the hub's time back.
func load(stored *store.Store, o Options, id *identity.Identity, folk *people.People) (*turn.State, time.Time, error) {
	now := time.Now()
	epoch, err := stored.Begin(now)
	if err != nil {
		return nil, now, fmt.Errorf("begin a new epoch: %w", err)
	}
	start := now
	if earliest := time.Unix(int64(epoch), 0); now.Before(earliest) {
		start = earliest
	}
	meta := stored.Meta()
	state := turn.New(meta.Lineage, epoch, meta.Revision, start.UTC(), o.Turn)
	state.Restored = meta.Restored
	err = stored.Load(func(table, key string, value []byte) error {
		if table == vaultTable {
			return nil
		}
		if slices.Contains(identity.Tables, table) {
			return id.Load(table, key, value)
		}
		if slices.Contains(people.Tables, table) {
			return folk.Load(table, key, value)
		}
		return state.Load(table, key, value)
	})
	if err != nil {
		return nil, now, fmt.Errorf("read the store: %w", err)
	}
	if err := errors.Join(id.Open(), folk.Begin()); err != nil {
		return nil, now, err
	}
	return state, start.UTC(), nil
}

// parts are the hub's running halves.
type parts struct {
	loop     *fleetloop.Loop
	broker   *broker.Broker
	api      *api.API
	stored   *store.Store
	identity *identity.Identity
	people   *people.People
	commands *commands.Dispatcher
	secrets  *secrets.Secrets
	thrift   thrift
}

func (p *parts) backup(w io.Writer, size func(int64)) error {
	_, err := p.stored.Backup(w, time.Now(), size)
	return err
}

// ready says why the hub doesn't do its work; nil: it does.
func (p *parts) ready() error {
	return errors.Join(p.stored.Ready(), p.loop.Ready())
}

// sound says what only a new start can mend; nil: nothing. A full disk isn't
// among it.
func (p *parts) sound() error {
	return errors.Join(p.stored.Problem(), p.loop.Ready())
}

func (p *parts) assemble(o Options, state *turn.State, start time.Time, open listeners, recent *recentlog.Ring) error {
	registry := prometheus.NewRegistry()
	settings := broker.DefaultOptions()
	settings.Doors, settings.Guard, settings.Logger = p.doors(o, open), guard{p}, o.Logger.With("part", "broker")
	b, err := broker.New(settings, agents{parts: p})
	if err != nil {
		return fmt.Errorf("prepare the broker: %w", err)
	}
	fail, err := newFailPoint(o.FailPoint)
	if err != nil {
		return err
	}
	loop := fleetloop.DefaultOptions()
	loop.State, loop.Store, loop.Bus, loop.Logger = state, records{p.stored}, b, o.Logger
	loop.Reach, loop.Reached, loop.Judge = reach.Try, fail.reached, judge.New().Ask
	loop.Gone = p.identity.Revoke
	measured := newMetrics(registry)
	loop.Observe = func(t fleetloop.Turn) {
		measured.observe(t)
		p.thrift.observe(t)
	}
	loop.Answered = func(host string, answer fleet.Answer) {
		p.api.Answered(host, answer)
		p.commands.Answered(host, answer)
	}
	p.broker = b
	p.loop = fleetloop.New(loop, start)
	p.watch(registry)
	ask := asker{bus: b, lineage: state.Lineage, epoch: state.Epoch}
	if p.commands, err = newCommands(p, ask, b, o.Logger.With("part", "commands")); err != nil {
		return fmt.Errorf("prepare commands: %w", err)
	}
	p.api = api.New(api.Options{
		Fleet:    operators{loop: p.loop, stored: p.stored},
		Identity: p.identity, EditorSchema: compose.EditorSchema(),
		Names:    o.names(),
		Port:     port(open.https),
		Accounts: p.accounts,
		Asker:    ask,
		Commands: p.commands,
		Map:      mapDocument,
		Sealer:   p.secrets,
		People:   p.people,
		Trail:    trail{loop: p.loop, stored: p.stored},
		Ready:    p.ready,
		Registry: registry,
		Logger:   o.Logger.With("part", "api"),
		Version:  buildinfo.String(),
		Settings: o.settings(),
		Recent:   recent,
	})
	p.people.Tell(func(name string) {
		p.api.Changed(name)
		p.broker.KickUser(name)
	})
	return nil
}

func mapDocument(document []byte) (string, []fleet.Service, []string, error) {
	project, err := compose.Map(document)
	return project.Name, project.Services, project.Warnings, err
}
