package haproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

func (b *Balancer) perform(ctx context.Context, action sequence.Action) error {
	server := lbconf.BackendName(action.Server.Service, action.Server.Target) + "/" + action.Server.Instance
	switch action.Kind {
	case sequence.SetState:
		if action.State == sequence.StateReady {
			return b.runtime.order(ctx, lbconf.SetReady(action.Server.Service, action.Server.Target, action.Server.Instance, action.Route.Sticky))
		}
		return b.runtime.order(ctx, fmt.Sprintf("set server %s state %s", server, action.State))
	case sequence.SetWeight:
		return b.runtime.order(ctx, fmt.Sprintf("set server %s weight %d", server, action.Weight))
	case sequence.SetAddress:
		address, port := splitAddress(action.Address)
		return b.runtime.order(ctx, fmt.Sprintf("set server %s addr %s port %s", server, address, port))
	case sequence.AddServer:
		return b.runtime.order(ctx, lbconf.AddServer(action.Pool, action.Route, action.Endpoint))
	case sequence.EnableHealth:
		return b.runtime.order(ctx, "enable health "+server)
	case sequence.DelServer:
		return b.runtime.order(ctx, "del server "+server)
	case sequence.Write:
		return b.write(ctx, action.Pools)
	case sequence.Reload:
		return b.writeAndReload(ctx, action)
	case sequence.Start:
		return b.Start(ctx, func() error { return b.begin(ctx, action.Pools) })
	}
	return fmt.Errorf("unknown action %q", action.Kind)
}

// splitAddress takes apart what lbconf.ServerAddress made.
func splitAddress(text string) (address, port string) {
	_, text, _ = strings.Cut(text, "@")
	i := strings.LastIndexByte(text, ':')
	return text[:i], text[i+1:]
}

func (b *Balancer) write(ctx context.Context, pools []fleet.Pool) error {
	if err := b.replace(ctx, pools); err != nil {
		return err
	}
	before := b.Memory.Filed
	b.remember(pools)
	for _, pool := range pools { // so that the worker, too, can be asked
		if i := sequence.IndexOf(before, pool.Service); i >= 0 && before[i].Generation == pool.Generation {
			continue
		}
		command := fmt.Sprintf("experimental-mode on;set var %s int(%d)", lbconf.GenerationVar(pool.Service), pool.Generation)
		if err := b.runtime.order(ctx, command); err != nil {
			b.Log.Warn("generation not shown by the worker", "service", pool.Service, "error", err)
		}
	}
	return nil
}

func (b *Balancer) writeAndReload(ctx context.Context, action sequence.Action) error {
	if _, rejected := b.RejectTaken(balancer.NewPorts(action.Pools, b.listening)); rejected {
		return balancer.ErrRejected
	}
	if err := b.replace(ctx, action.Pools); err != nil {
		return err
	}
	b.Log.Info("balancer reloads", "reason", action.Reason)
	structure := b.structure(action.Pools)
	err := b.reload(ctx, structure)
	if err != nil {
		b.Memory.Stale = true // the next turn puts back what runs, without undoing a removal
		if errors.Is(err, errBusy) {
			return err // it wasn't even asked
		}
		if b.ended != structure && b.gone(ctx) {
			b.ended = structure
			return fmt.Errorf("%w: %w", errEnded, err) // no pool is to blame for a kill; if the same ends it again, one may be
		}
		blamed := false
		for _, pool := range action.Pools {
			if i := sequence.IndexOf(b.Memory.Filed, pool.Service); i < 0 || !lbconf.SameSection(b.Memory.Filed[i], pool) {
				b.Reject(pool, err)
				blamed = true
			}
		}
		if !blamed {
			b.Memory.Unloaded = b.Memory.Unloaded.Again(err.Error()+"; no service asked for it, so look at --haproxy-maxconn and the limit of open files", time.Now())
		}
		return err
	}
	b.remember(action.Pools)
	return nil
}

func (b *Balancer) begin(ctx context.Context, pools []fleet.Pool) error {
	if err := b.replace(ctx, pools); err != nil {
		return err
	}
	b.remember(pools)
	b.Log.Info("balancer starts", "dir", b.Options.Dir)
	err := b.launch(ctx)
	if err == nil {
		return b.awaitStart(ctx)
	}
	if free, rejected := b.RejectTaken(pools); rejected {
		b.StartAtOnce()
		if err := b.replace(ctx, free); err != nil { // the others go on
			return err
		}
		b.remember(free)
		return balancer.ErrRejected
	}
	return err
}

func (b *Balancer) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	for {
		seen, err := b.observe(ctx)
		if err == nil && seen.Up {
			return nil
		}
		if !balancer.Pause(ctx, shortPause) {
			return fmt.Errorf("start haproxy: it does not answer within %s", socketTimeout)
		}
	}
}

// replace renders pools, has HAProxy check the result and puts it in the
// file's place. Pools that are at fault are rejected.
func (b *Balancer) replace(ctx context.Context, pools []fleet.Pool) error {
	if !b.Loaded {
		return errors.New("haproxy's configuration can't be replaced before it was read")
	}
	staged, content, err := b.checked(ctx, pools)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, errRefused) && b.isolate(ctx, pools) {
			return balancer.ErrRejected
		}
		return err
	}
	return b.File.Adopt(staged, content)
}

func (b *Balancer) remember(pools []fleet.Pool) {
	b.Memory.Filed, b.Memory.Structure, b.Memory.Stale = pools, b.structure(pools), false
	b.Certificates.Sweep()
}

func (b *Balancer) structure(pools []fleet.Pool) string {
	return lbconf.Structure(lbconf.Input{Global: b.global(), Pools: pools})
}
