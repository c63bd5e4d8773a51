package hosts

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// machineSocket is where the machine's own engine listens.
const machineSocket = "/var/run/docker.sock"

// localHost names the one host of a local engine's claim.
const localHost = "local"

// Local is a container engine in the machine's own network.
type Local struct {
	Client
	// Own says that this engine was started for the caller.
	Own bool

	close func() error
}

// LocalEngine returns the machine's own engine where one answers, and else
// starts one with its data below options.Dir; options.Names is ignored.
//
// The engine it starts leaves the machine's packet filter and forwarding alone:
// published ports work through docker-proxy, and containers reach this machine,
// but not the world outside.
func LocalEngine(ctx context.Context, options Options) (*Local, error) {
	if answers(ctx, machineSocket) {
		return &Local{Client: Client{DockerSocket: machineSocket}, close: func() error { return nil }}, nil
	}
	if err := checkMachine("ip"); err != nil {
		return nil, err
	}
	logger := options.logger()
	c, err := newClaim(ctx, options.Dir, []string{localHost}, true, logger)
	if err != nil {
		return nil, err
	}
	e := newEngine(c, localHost, logger)
	e.command = func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	}
	e.settings = map[string]any{
		"bridge": c.name(), "iptables": false, "ip-forward": false, "ip-masq": false,
	}
	l := &Local{Client: Client{DockerSocket: e.socket()}, Own: true}
	l.close = sync.OnceValue(func() error { return closeLocal(c, e) })
	if err := startLocal(ctx, c, e); err != nil {
		return nil, errors.Join(fmt.Errorf("start local engine: %w", err), l.Close())
	}
	return l, nil
}

func startLocal(ctx context.Context, c claim, e *engine) error {
	err := runSteps(ctx, [][]string{
		{"ip", "link", "add", c.name(), "type", "bridge"},
		{"ip", "address", "add", c.hubAddress() + "/24", "dev", c.name()},
		{"ip", "link", "set", c.name(), "up"},
	})
	if err != nil {
		return err
	}
	return e.start(ctx)
}

// Close stops an engine that LocalEngine started, with its containers, and
// takes away what it made. It can be called more than once.
func (l *Local) Close() error { return l.close() }

func closeLocal(c claim, e *engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := errors.Join(removeNetworks(ctx, Client{DockerSocket: e.socket()}), c.tearDown(ctx))
	if err != nil {
		return fmt.Errorf("close local engine: %w", err)
	}
	e.reap()
	return nil
}

// removeNetworks removes containers and the bridges of their networks, which an
// engine leaves on the machine when it ends.
func removeNetworks(ctx context.Context, client Client) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if !answers(ctx, client.DockerSocket) {
		return nil
	}
	for _, step := range [][]string{
		{"container ls --all --quiet", "container rm --force"},
		{"network ls --quiet --filter type=custom", "network rm"},
	} {
		out, err := client.Docker(ctx, strings.Fields(step[0])...).Output()
		if err != nil {
			return fmt.Errorf("list %s: %w", strings.Fields(step[0])[0], err)
		}
		ids := strings.Fields(string(out))
		if len(ids) == 0 {
			continue
		}
		if err := finish(client.Docker(ctx, append(strings.Fields(step[1]), ids...)...)); err != nil {
			return err
		}
	}
	return nil
}
