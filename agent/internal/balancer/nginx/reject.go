package nginx

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
var errRefused = errors.New("nginx rejects the configuration")

// checked renders pools and has nginx check them.
func (b *Balancer) checked(ctx context.Context, pools []fleet.Pool, down []sequence.ServerKey) (staged string, content []byte, err error) {
	for _, pool := range pools {
		if err := b.missing(pool); err != nil {
			return "", nil, fmt.Errorf("%w: %w", errRefused, err)
		}
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
	staged, err = b.file.Stage(content)
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
	faults := sequence.Isolate(b.memory.Filed, action.Pools, func(try []fleet.Pool) error {
		_, _, err := b.checked(ctx, try, action.Down)
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
// nginx's own checker doesn't look at that.
func (b *Balancer) rejectTaken(pools []fleet.Pool) bool {
	_, taken := b.splitTaken(pools)
	for _, pool := range taken {
		b.reject(pool, balancer.Taken(pool, b.options.BindAddresses))
	}
	return len(taken) > 0
}

func (b *Balancer) splitTaken(pools []fleet.Pool) (free, taken []fleet.Pool) {
	for _, pool := range pools {
		if balancer.Taken(pool, b.options.BindAddresses) != nil {
			taken = append(taken, pool)
		} else {
			free = append(free, pool)
		}
	}
	return free, taken
}
