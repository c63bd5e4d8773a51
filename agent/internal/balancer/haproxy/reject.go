package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// errRefused is the checker's verdict. Without it nothing was wrong with the
// pools: they could not be checked.
var errRefused = errors.New("haproxy rejects the configuration")

// checked renders pools and has HAProxy check them.
func (b *Balancer) checked(ctx context.Context, pools []fleet.Pool) (staged string, content []byte, err error) {
	if err := b.Missing(pools...); err != nil {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return b.check(ctx, b.global(), pools)
}

func (b *Balancer) check(ctx context.Context, global lbconf.Global, pools []fleet.Pool) (staged string, content []byte, err error) {
	content, err = lbconf.HAProxy(lbconf.Input{Global: global, Pools: pools})
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	staged, err = b.File.Stage(content)
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
	return b.Isolate(pools, func(try []fleet.Pool) error {
		_, _, err := b.checked(ctx, try)
		return err
	})
}
