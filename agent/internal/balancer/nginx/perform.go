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

// maxBackoff bounds the pause between starts of a nginx that dies again.
const maxBackoff = 30 * time.Second

func (b *Balancer) perform(ctx context.Context, action sequence.Action) error {
	switch action.Kind {
	case sequence.Write:
		return b.write(action)
	case sequence.Reload:
		return b.writeAndReload(ctx, action)
	case sequence.Start:
		return b.start(ctx, action)
	}
	return fmt.Errorf("unknown action %q", action.Kind)
}

// write makes the file hold what nginx need not know.
func (b *Balancer) write(action sequence.Action) error {
	if !b.loaded {
		return errUnread
	}
	content, err := lbconf.Nginx(b.input(action.Pools, names(action.Down)))
	if err != nil {
		return err
	}
	staged, err := b.file.Stage(content)
	if err != nil {
		return err
	}
	if err := b.file.Adopt(staged, content); err != nil {
		return err
	}
	b.remember(action)
	return nil
}

func (b *Balancer) writeAndReload(ctx context.Context, action sequence.Action) error {
	if b.rejectTaken(b.newPorts(action.Pools)) {
		return errRejected
	}
	if err := b.replace(ctx, action); err != nil {
		return err
	}
	b.log.Info("balancer reloads", "reason", action.Reason)
	structure := b.structure(action.Pools, action.Down)
	err := b.reload(ctx, structure)
	if err == nil {
		b.remember(action)
		return nil
	}
	b.memory.Stale = true // the next turn puts back what runs, without undoing a removal
	if errors.Is(err, errBusy) {
		return err // it wasn't even asked
	}
	blamed := b.suspects(ctx, action.Pools, err)
	for _, pool := range blamed {
		b.reject(pool, err)
	}
	if len(blamed) == 0 {
		b.memory.Failed = structure
		b.memory.Unloaded = b.memory.Unloaded.Again(err.Error(), time.Now())
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
		i := sequence.IndexOf(b.memory.Filed, pool.Service)
		if pool.Removed || i >= 0 && lbconf.SameSection(b.memory.Filed[i], pool) {
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

// start brings up nginx, at once the first time and with growing pauses when it
// dies again.
func (b *Balancer) start(ctx context.Context, action sequence.Action) error {
	if _, err := b.file.Intact(); err != nil {
		return err // what somebody else wrote isn't started
	}
	if time.Since(b.started) > 2*maxBackoff {
		b.starts = 0
	}
	if b.starts > 0 {
		wait := min(maxBackoff, 250*time.Millisecond<<min(b.starts-1, 10))
		if left := wait - time.Since(b.started); left > 0 {
			balancer.Pause(ctx, min(left, retryPause))
			return nil
		}
	}
	b.starts++
	b.started = time.Now()
	b.fault = b.begin(ctx, action)
	return b.fault
}

func (b *Balancer) begin(ctx context.Context, action sequence.Action) error {
	b.running = "" // what is installed is started
	if err := b.replace(ctx, action); err != nil {
		return err
	}
	b.remember(action)
	b.log.Info("balancer starts", "dir", b.options.Dir, "version", b.program.version.String())
	if err := b.dismiss(ctx); err != nil {
		return err
	}
	for _, left := range []string{lbconf.NginxStatusSocket, lbconf.NginxPIDFile} { // of one that was killed
		if err := os.Remove(b.path(left)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a nginx left behind: %w", err)
		}
	}
	if free, taken := b.splitTaken(action.Pools); len(taken) > 0 {
		b.rejectTaken(taken)
		b.starts = 0
		action.Pools = free
		if err := b.replace(ctx, action); err != nil { // the others go on
			return err
		}
		b.remember(action)
		return errRejected
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
	if !b.loaded {
		return errUnread
	}
	staged, content, err := b.checked(ctx, action.Pools, action.Down)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, errRefused) && b.isolate(ctx, action) {
			return errRejected
		}
		return err
	}
	return b.file.Adopt(staged, content)
}

func (b *Balancer) remember(action sequence.Action) {
	b.memory.Filed, b.memory.Down, b.memory.Stale = action.Pools, action.Down, false
	b.memory.Structure = b.structure(action.Pools, action.Down)
	b.certificates.Sweep()
}

// newPorts returns the pools with those listeners only that nginx does not have.
func (b *Balancer) newPorts(pools []fleet.Pool) []fleet.Pool {
	listening := map[int]bool{}
	for _, pool := range b.memory.Filed {
		for _, route := range pool.Routes {
			for _, port := range route.Listen {
				listening[port] = listening[port] || !pool.Removed
			}
		}
	}
	return balancer.NewPorts(pools, listening)
}
