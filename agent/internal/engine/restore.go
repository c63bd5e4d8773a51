package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// errIrreversible: engines read 0 as "leave it", not as "no limit".
var errIrreversible = errors.New("a limit was set where there was none, and no engine can take it off: the container must be replaced")

// restore puts back what people changed on a living container.
func (e *Engine) restore(ctx context.Context, op *brain.Op, c *brain.Container) brain.Result {
	const doing = "restore container"
	want, have := op.Snapshot, &c.Snapshot
	if want == nil {
		return permanent(op, doing, errors.New("the operation doesn't say how it was"))
	}
	for _, step := range []func() error{
		func() error { return e.restoreName(ctx, c.ID, want, have) },
		func() error { return e.restoreNetworks(ctx, c.ID, op.Networks, want, have) },
		func() error { return e.restoreResources(ctx, c.ID, op.MemorySwap, want, have) },
	} {
		if err := step(); errors.Is(err, errIrreversible) {
			return permanent(op, doing, err)
		} else if err != nil {
			return failed(op, doing, err)
		}
	}
	return done(op)
}

func (e *Engine) restoreName(ctx context.Context, id string, want, have *brain.Snapshot) error {
	if want.Name == have.Name {
		return nil
	}
	return e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		return cli.ContainerRename(ctx, id, want.Name)
	})
}

// restoreNetworks connects before it disconnects, so that the container is
// never without any.
func (e *Engine) restoreNetworks(ctx context.Context, id string, stated []fleet.Network, want, have *brain.Snapshot) error {
	for _, name := range want.Networks {
		if slices.Contains(have.Networks, name) {
			continue
		}
		if err := e.connectTo(ctx, id, networkNamed(stated, name)); err != nil {
			return err
		}
	}
	for _, name := range have.Networks {
		if slices.Contains(want.Networks, name) {
			continue
		}
		err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
			return cli.NetworkDisconnect(ctx, name, id, false)
		})
		if err != nil {
			return fmt.Errorf("disconnect from network %s: %s", name, clean(err))
		}
	}
	return nil
}

func (e *Engine) restoreResources(ctx context.Context, id string, swap int64, want, have *brain.Snapshot) error {
	update, changed, err := toUpdate(want, have)
	if swap != 0 && update.MemorySwap != 0 {
		update.MemorySwap = swap
	}
	if !changed {
		return err
	}
	return errors.Join(err, e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		_, err := cli.ContainerUpdate(ctx, id, update)
		return err
	}))
}

// toUpdate returns what leads from have to want, whether there is anything,
// and errIrreversible for what can't be.
func toUpdate(want, have *brain.Snapshot) (container.UpdateConfig, bool, error) {
	var update container.UpdateConfig
	changed, irreversible := false, false
	set := func(want, have int64, apply func()) {
		switch {
		case want == have:
		case want == 0:
			irreversible = true
		default:
			changed = true
			apply()
		}
	}
	set(want.MemoryLimit, have.MemoryLimit, func() {
		update.Memory = want.MemoryLimit
		update.MemorySwap = 2 * want.MemoryLimit // as the engine itself sets it at creation
	})
	set(want.MemoryReserve, have.MemoryReserve, func() { update.MemoryReservation = want.MemoryReserve })
	set(want.NanoCPUs, have.NanoCPUs, func() { update.NanoCPUs = want.NanoCPUs })
	if want.PidsLimit != have.PidsLimit {
		limit := want.PidsLimit
		if limit == 0 {
			limit = -1
		}
		update.PidsLimit, changed = &limit, true
	}
	if policy := policyOf(want); policy != policyOf(have) {
		update.RestartPolicy.Name, changed = policy, true
	}
	if irreversible {
		return update, changed, errIrreversible
	}
	return update, changed, nil
}

// policyOf reads an empty policy as what it means.
func policyOf(s *brain.Snapshot) container.RestartPolicyMode {
	if s.RestartPolicy == "" {
		return container.RestartPolicyDisabled
	}
	return container.RestartPolicyMode(s.RestartPolicy)
}
