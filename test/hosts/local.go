package hosts

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
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
	// Dir is for the caller's own files. It goes at Close, and so does every
	// program that was started from there.
	Dir string

	claim claim
	close func() error
}

// LocalEngine returns the machine's own engine where one answers, and else
// starts one with its data below options.Dir; options.Names is ignored.
//
// The engine it starts leaves the machine's packet filter and forwarding alone:
// published ports work through docker-proxy, and containers reach this machine,
// but not the world outside.
func LocalEngine(ctx context.Context, options Options) (*Local, error) {
	if options.Engine == "" {
		options.Engine = machineSocket
	}
	if answers(ctx, options.Engine) {
		return engineOfBefore(ctx, options)
	}
	if err := checkMachine("ip", "dockerd", "containerd"); err != nil {
		return nil, err
	}
	logger := options.logger()
	c, err := newClaim(ctx, options.Dir, claim{Hosts: []string{localHost}, Local: true}, logger)
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
	l := &Local{Client: Client{DockerSocket: e.socket()}, Own: true, Dir: c.files(), claim: c}
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
// takes away what it made. On an engine that was there before it removes what
// was claimed. It can be called more than once.
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
	return errors.Join(
		client.removeListed(ctx, "container ls --all --quiet", "container rm --force"),
		client.removeListed(ctx, "network ls --quiet --filter type=custom", "network rm"))
}
