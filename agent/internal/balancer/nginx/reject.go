package nginx

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// errRefused is the checker's verdict. Without it nothing was wrong with the
// pools: they could not be checked.
var errRefused = errors.New("nginx rejects the configuration")

// checked renders pools and has nginx check them.
func (b *Balancer) checked(ctx context.Context, pools []fleet.Pool, down []sequence.ServerKey) (staged string, content []byte, err error) {
	if err := b.Missing(pools...); err != nil {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return b.check(ctx, b.input(pools, names(down)))
}

func (b *Balancer) check(ctx context.Context, input lbconf.NginxInput) (staged string, content []byte, err error) {
	content, err = lbconf.Nginx(input)
	if err == nil {
		err = b.able(input.Pools)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	staged, err = b.File.Stage(content)
	if err != nil {
		return "", nil, err
	}
	err = b.run(ctx, "-t", "-q", "-c", staged)
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.Exited() {
		return "", nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	if err != nil {
		return "", nil, fmt.Errorf("check nginx's configuration: %w", err)
	}
	return staged, content, nil
}

// able refuses what this nginx lacks a module for.
func (b *Balancer) able(pools []fleet.Pool) error {
	for _, pool := range pools {
		for _, route := range pool.Routes {
			if route.Protocol == fleet.ProtocolTCP && !pool.Removed && !b.program.tcp {
				return fleet.Invalid(pool.Service.String(), "port %d is of tcp, and this nginx has no module for that", route.Target).
					WithHint("install it: libnginx-mod-stream on Debian and Ubuntu, nginx-mod-stream elsewhere")
			}
		}
	}
	return nil
}

// isolate rejects the pools that make a configuration fail, and reports whether there
// are any.
func (b *Balancer) isolate(ctx context.Context, action sequence.Action) bool {
	return b.Isolate(action.Pools, func(try []fleet.Pool) error {
		_, _, err := b.checked(ctx, try, action.Down)
		return err
	})
}
