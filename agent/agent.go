// Package agent is the program that runs on each host of a fleet: it makes
// the container engine run what the hub asks for, and says how it is.
package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/cache"
	"github.com/musterhq/muster/agent/internal/engine"
	"github.com/musterhq/muster/agent/internal/identity"
	"github.com/musterhq/muster/agent/internal/link"
	"github.com/musterhq/muster/agent/internal/loop"
	"github.com/musterhq/muster/agent/internal/readings"
	"github.com/musterhq/muster/agent/internal/secrets"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/recentlog"
)

// recentLog is how much of its log an agent keeps in memory, in bytes.
const recentLog = 128 << 10

// Run runs an agent until ctx is done. Then it says farewell to the hub and
// returns; containers and balancers go on. It also returns, without an error, when
// the host has left the fleet, and with one where it had left before.
func Run(ctx context.Context, options Options) error {
	if err := options.Validate(); err != nil {
		return err
	}
	recent := recentlog.New(recentLog)
	options.Logger = recent.Tee(options.Logger)
	store, err := cache.Open(options.StateDir)
	if err != nil {
		return err
	}
	defer store.Close()
	kept, err := load(store, &options)
	if err != nil {
		return err
	}
	who, err := options.joined(&kept)
	if err != nil {
		return err
	}
	options.Logger = options.Logger.With("host", options.Host)
	if err := hasLeft(&kept, &options); err != nil {
		return err
	}
	inside, err := options.Debug.Listen()
	if err != nil {
		return err
	}
	p, err := assemble(ctx, &options, who, store, kept, recent)
	if err != nil {
		if inside != nil {
			err = errors.Join(err, inside.Close())
		}
		return err
	}
	p.inside = inside
	defer p.engine.Close()
	defer p.secrets.Close()
	options.Logger.Info("agent starts", "hub", options.Hub, "advertise", p.machine.advertise,
		"lineage", kept.Lineage, "instances", len(kept.Instances))
	return p.run(ctx, &options)
}

// load reads what an agent left here before. A damaged file is said loudly
// and done without: the hub sends everything again, and unknown containers
// are left alone until then.
func load(store *cache.Cache, options *Options) (brain.Cache, error) {
	kept, err := store.Load()
	var damaged *cache.DamagedError
	if errors.As(err, &damaged) {
		options.Logger.Error("state on disk is damaged: starting without it", "aside", damaged.Aside, "error", damaged.Err)
		return brain.Cache{}, nil
	}
	return kept, err
}

// parts are the pieces that an agent is made of.
type parts struct {
	identity  *identity.Identity // nil: the hub is plain
	machine   *machine
	engine    *engine.Engine
	secrets   *secrets.Secrets
	loop      *loop.Loop
	link      *link.Link
	prober    *readings.Prober
	balancers []loadBalancer
	driven    []*driven // those that run
	logger    *slog.Logger
	meters    *meters      // nil: nobody measures
	inside    net.Listener // of metrics and profiles; nil: none
}

// assemble is the only place where the agent is wired together.
func assemble(ctx context.Context, options *Options, who *identity.Identity, store *cache.Cache, kept brain.Cache, recent *recentlog.Ring) (*parts, error) {
	p := &parts{identity: who, logger: options.Logger}
	if options.Debug.Addr != "" {
		p.meters = newMeters()
	}
	var err error
	if p.engine, err = engine.New(engine.Options{Host: options.Engine, Logger: options.Logger.With("room", "engine")}); err != nil {
		return nil, err
	}
	if p.secrets, err = secrets.Open(secrets.Options{StateDir: options.StateDir, Dir: options.SecretsDir, Logger: options.Logger.With("room", "secrets")}); err != nil {
		return nil, err
	}
	p.machine = newMachine(options, p.engine, p.secrets.Key())
	facts, err := p.machine.facts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	if p.loop, err = loop.New(loopOptions(options, p, store, kept, recent, facts)); err != nil {
		return nil, err
	}
	if p.meters != nil {
		p.meters.watch(p.loop)
	}
	p.prober = readings.NewProber(p.loop.Probed)
	if p.balancers, err = newBalancers(options, p.loop); err != nil {
		return nil, err
	}
	if len(p.balancers) > 0 {
		warnOfKillMode(ctx, options.Logger)
	}
	p.link, err = link.New(linkOptions(options, p, facts.MachineID))
	return p, err
}

func loopOptions(options *Options, p *parts, store *cache.Cache, kept brain.Cache, recent *recentlog.Ring, facts fleet.HostFacts) loop.Options {
	timing := loop.DefaultTiming()
	timing.Resync = options.Timing.Resync
	alive, every := supervised(options.Logger)
	if every > 0 {
		timing.Alive = every
	}
	failPoint, _ := parseFailPoint(options.FailPoint) // Validate parsed it
	var observer loop.Observer
	if p.meters != nil {
		observer = p.meters
	}
	o := loop.Options{
		Brain: brain.Config{
			Host: options.Host, AgentStart: rand.Text(), Facts: facts, Bind: bind(cmp.Or(facts.Advertise, kept.Advertise)),
			SecretsDir: options.SecretsDir, NoSecrets: p.secrets.Problem(), ConfigsDir: options.configsDir(), Adopt: options.AdoptLineage, Limits: options.Limits, Timing: options.Timing.Brain,
		},
		Kept: kept, Engine: p.engine, Logs: p.engine, Store: store, Secrets: p.secrets,
		Configs: secrets.NewConfigs(options.configsDir(), options.Logger.With("room", "configs")),
		Facts:   p.machine.read, Foreign: p.machine.foreign, Disk: p.machine.disk,
		Probe: readings.Probe, HubHTTP: options.HubHTTP, Recent: recent, Logger: options.Logger.With("room", "loop"),
		Timing: timing, Observer: observer, Alive: alive, Reached: failPoint.reached, Withdraw: p.withdraw,
	}
	if p.identity != nil {
		o.HubTLS, o.Renew = p.identity.TLS, p.identity.Renew
	}
	return o
}

func linkOptions(options *Options, p *parts, machineID string) link.Options {
	l, m := p.loop, p.meters
	o := link.DefaultOptions()
	if p.identity != nil {
		o.TLS, o.OnRejected, o.OnRefused = p.identity.TLS, p.identity.Renew, l.Dismissed
	}
	o.Server, o.Host, o.MachineID = options.Hub, options.Host, machineID
	o.Logger = options.Logger.With("room", "link")
	o.Will = l.Will
	o.OnConnected = func(session string) {
		m.link(true)
		l.Connected(session)
	}
	o.OnDisconnected = func(error) {
		m.link(false)
		l.Disconnected()
	}
	o.OnMessage = l.Message
	o.KeepAlive, o.Watchdog = options.Timing.KeepAlive, options.Timing.Watchdog
	o.ReconnectFirst, o.ReconnectMax = options.Timing.ReconnectFirst, options.Timing.ReconnectMax
	o.ReconnectMin = min(o.ReconnectMin, o.ReconnectFirst)
	return o
}

// run keeps everything going. The loop ends first, so that the farewell is
// the last thing that the hub hears; then the rest.
func (p *parts) run(ctx context.Context, options *Options) error {
	rest, endRest := context.WithCancel(context.WithoutCancel(ctx))
	defer endRest()
	group, rest := errgroup.WithContext(rest)
	looping, endLoop := context.WithCancel(ctx)
	defer endLoop()
	context.AfterFunc(rest, endLoop) // when one part fails, all end

	around := loop.Surroundings{Link: p.link, Prober: p.prober}
	for _, b := range p.balancers {
		around.Balancers = append(around.Balancers, b)
		group.Go(p.drive(rest, b))
	}
	if p.inside != nil {
		options.Logger.Info("metrics and profiles are served", "address", p.inside.Addr().String())
		group.Go(func() error { return debug.Serve(rest, p.inside, p.meters.set, options.Debug.Insecure) })
	}
	group.Go(func() error { return p.prober.Run(rest) })
	if p.identity != nil {
		group.Go(func() error { return p.identity.Run(rest, p.link.Again) })
	}
	group.Go(func() error { return p.link.Run(rest) })
	group.Go(func() error {
		defer endRest()
		err := p.loop.Run(looping, around)
		notifyStopping()
		if errors.Is(err, loop.ErrLeft) {
			err := errors.Join(p.farewell(rest, options, fleet.PresenceLeft), options.left())
			options.Logger.Info("this host has left the fleet; the agent ends")
			return err
		}
		return errors.Join(err, p.farewell(rest, options, fleet.PresenceStopping))
	})
	return group.Wait()
}

// farewell tells the hub that the agent stops. It isn't an error when the hub
// can't be told: it finds out.
func (p *parts) farewell(ctx context.Context, options *Options, state string) error {
	topic, payload, err := p.loop.Farewell(state)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, max(options.Timing.Farewell, time.Millisecond))
	defer cancel()
	if err := p.link.Stop(ctx, topic, payload); err != nil {
		options.Logger.Warn("hub not told that the agent stops", "error", err)
	}
	if state == fleet.PresenceStopping {
		options.Logger.Info("agent stops; containers and balancers go on")
	}
	return nil
}
