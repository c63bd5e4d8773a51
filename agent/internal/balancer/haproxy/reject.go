package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// errRefused is the checker's verdict. Without it nothing was wrong with the
// pools: they could not be checked.
var errRefused = errors.New("haproxy rejects the configuration")

// checked renders pools and has HAProxy check them.
func (b *Balancer) checked(ctx context.Context, pools []fleet.Pool) (staged string, content []byte, err error) {
	for _, pool := range pools {
		if err := b.missing(pool); err != nil {
			return "", nil, fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return b.check(ctx, b.global(), pools)
}

func (b *Balancer) check(ctx context.Context, global lbconf.Global, pools []fleet.Pool) (staged string, content []byte, err error) {
	content, err = lbconf.HAProxy(lbconf.Input{Global: global, Pools: pools})
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	staged, err = b.file.Stage(content)
	if err != nil {
		return "", nil, err
	}
	err = b.run(ctx, "-c", "-f", staged)
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.Exited() {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	if err != nil {
		return "", nil, fmt.Errorf("check haproxy's configuration: %w", err)
	}
	return staged, content, nil
}

// isolate rejects the pools that make a configuration fail, and reports whether there
// are any.
func (b *Balancer) isolate(ctx context.Context, pools []fleet.Pool) bool {
	faults := sequence.Isolate(b.memory.Filed, pools, func(try []fleet.Pool) error {
		_, _, err := b.checked(ctx, try)
		return err
	})
	for _, fault := range faults {
		b.reject(fault.Pool, fault.Cause)
	}
	return len(faults) > 0
}

func (b *Balancer) reject(pool fleet.Pool, cause error) {
	b.log.Warn("pool rejected", "service", pool.Service, "generation", pool.Generation, "error", cause)
	b.memory = b.memory.Reject(pool, cause.Error(), time.Now())
}

// rejectTaken rejects the pools with a listener that another program holds.
// HAProxy's own checker doesn't look at that.
func (b *Balancer) rejectTaken(pools []fleet.Pool) bool {
	_, taken := b.splitTaken(pools)
	for _, pool := range taken {
		b.reject(pool, b.taken(pool))
	}
	return len(taken) > 0
}

func (b *Balancer) splitTaken(pools []fleet.Pool) (free, taken []fleet.Pool) {
	for _, pool := range pools {
		if b.taken(pool) != nil {
			taken = append(taken, pool)
		} else {
			free = append(free, pool)
		}
	}
	return free, taken
}

func (b *Balancer) taken(pool fleet.Pool) error { return balancer.Taken(pool, b.options.BindAddresses) }
