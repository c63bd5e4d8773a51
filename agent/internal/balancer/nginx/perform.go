package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

func (b *Balancer) perform(ctx context.Context, action sequence.Action) error {
	switch action.Kind {
	case sequence.Write:
		return b.write(action)
	case sequence.Reload:
		return b.writeAndReload(ctx, action)
	case sequence.Start:
		return b.Start(ctx, func() error { return b.begin(ctx, action) })
	}
	return fmt.Errorf("unknown action %q", action.Kind)
}

// write makes the file hold what nginx need not know.
func (b *Balancer) write(action sequence.Action) error {
	if !b.Loaded {
		return errUnread
	}
	content, err := lbconf.Nginx(b.input(action.Pools, names(action.Down)))
	if err != nil {
		return err
	}
	staged, err := b.File.Stage(content)
	if err != nil {
		return err
	}
	if err := b.File.Adopt(staged, content); err != nil {
		return err
	}
	b.remember(action)
	return nil
}

func (b *Balancer) writeAndReload(ctx context.Context, action sequence.Action) error {
	if _, rejected := b.RejectTaken(b.newPorts(action.Pools)); rejected {
		return balancer.ErrRejected
	}
	if err := b.replace(ctx, action); err != nil {
		return err
	}
	b.Log.Info("balancer reloads", "reason", action.Reason)
	structure := b.structure(action.Pools, action.Down)
	err := b.reload(ctx, structure)
	if err == nil {
		b.remember(action)
		return nil
	}
	b.Memory.Stale = true // the next turn puts back what runs, without undoing a removal
	if errors.Is(err, errBusy) {
		return err // it wasn't even asked
	}
	blamed := b.suspects(ctx, action.Pools, err)
	for _, pool := range blamed {
		b.Reject(pool, err)
	}
	if len(blamed) == 0 {
		b.Memory.Failed = structure
		b.Memory.Unloaded = b.Memory.Unloaded.Again(err.Error(), time.Now())
	}
	return err
}

// suspects are the pools that a reload may have failed for: those with a listener
// that nginx names, or else all whose section is new.
func (b *Balancer) suspects(ctx context.Context, pools []fleet.Pool, cause error) (changed []fleet.Pool) {
	if b.gone(ctx) {
		return nil // nobody is to blame for a kill
	}
	var named []fleet.Pool
	for _, pool := range pools {
		i := sequence.IndexOf(b.Memory.Filed, pool.Service)
		if pool.Removed || i >= 0 && lbconf.SameSection(b.Memory.Filed[i], pool) {
			continue
		}
		changed = append(changed, pool)
		if slices.ContainsFunc(pool.Routes, func(r fleet.Route) bool {
			return slices.ContainsFunc(r.Listen, func(port int) bool { return strings.Contains(cause.Error(), fmt.Sprintf(":%d failed", port)) })
		}) {
			named = append(named, pool)
		}
	}
	if len(named) > 0 {
		return named
	}
	return changed
}

func (b *Balancer) begin(ctx context.Context, action sequence.Action) error {
	b.running = "" // what is installed is started
	if err := b.replace(ctx, action); err != nil {
		return err
	}
	b.remember(action)
	b.Log.Info("balancer starts", "dir", b.Options.Dir, "version", b.program.version.String())
	if err := b.dismiss(ctx); err != nil {
		return err
	}
	for _, left := range []string{lbconf.NginxStatusSocket, lbconf.NginxPIDFile} { // of one that was killed
		if err := os.Remove(b.Path(left)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a nginx left behind: %w", err)
		}
	}
	if free, rejected := b.RejectTaken(action.Pools); rejected {
		b.StartAtOnce()
		action.Pools = free
		if err := b.replace(ctx, action); err != nil { // the others go on
			return err
		}
		b.remember(action)
		return balancer.ErrRejected
	}
	if err := b.launch(ctx); err != nil {
		return err
	}
	return b.awaitStart(ctx)
}

func (b *Balancer) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if _, err := b.ask(ctx); err == nil {
			if _, alive := b.named(); alive {
				return nil
			}
		}
		if !balancer.Pause(ctx, shortPause) {
			return fmt.Errorf("start nginx: it does not answer within %s", startTimeout)
		}
	}
}

var errUnread = errors.New("nginx's configuration can't be replaced before it was read")

// replace renders what is due, has nginx check the result and puts it in the
// file's place. Pools that are at fault are rejected.
func (b *Balancer) replace(ctx context.Context, action sequence.Action) error {
	if !b.Loaded {
		return errUnread
	}
	staged, content, err := b.checked(ctx, action.Pools, action.Down)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, errRefused) && b.isolate(ctx, action) {
			return balancer.ErrRejected
		}
		return err
	}
	return b.File.Adopt(staged, content)
}

func (b *Balancer) remember(action sequence.Action) {
	b.Memory.Filed, b.Memory.Down, b.Memory.Stale = action.Pools, action.Down, false
	b.Memory.Structure = b.structure(action.Pools, action.Down)
	b.Certificates.Sweep()
}

// newPorts returns the pools with those listeners only that nginx does not have.
func (b *Balancer) newPorts(pools []fleet.Pool) []fleet.Pool {
	listening := map[int]bool{}
	for _, pool := range b.Memory.Filed {
		for _, route := range pool.Routes {
			for _, port := range route.Listen {
				listening[port] = listening[port] || !pool.Removed
			}
		}
	}
	return balancer.NewPorts(pools, listening)
}
