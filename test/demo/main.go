// Command demo shows Muster's main job on one machine: a hub, test hosts with
// engines and agents of their own, HAProxy on the first, and the body-fat
// leaderboard as five containers behind it. It stays up until Ctrl-C, or shows
// upgrades under load (-upgrade), then leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/hosts"
)

const composeFile = "examples/rank/compose.yaml"

func main() {
	n := flag.Int("hosts", 3, "`number` of test hosts; 1 uses the machine's own engine, or one of its own where none runs")
	once := flag.Bool("once", false, "stop after the first answers instead of waiting for Ctrl-C")
	upgrades := flag.Bool("upgrade", false, "then upgrade under load, to a good version and to a broken one, and stop")
	flag.Parse()
	ctx, stop := hosts.UntilEnded()
	defer stop()
	if err := run(ctx, *n, *once, *upgrades); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int, once, upgrades bool) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces and engines need root: run it with sudo")
	}
	if n < 1 || n > 20 {
		return fmt.Errorf("%d hosts are not between 1 and 20", n)
	}
	began := time.Now()
	o := cluster.Options{Hosts: hosts.Numbered("web", n), Balancers: []string{"web1"}, Dir: "/var/tmp", Logger: slog.New(slog.DiscardHandler)}
	start := cluster.Start
	if n == 1 {
		say("Building Muster, and starting a hub and an agent here, on the machine's own engine, or on one of their own where none runs …")
		start = cluster.StartLocal
	} else {
		say("Building Muster, and starting a hub and %d hosts, each with an engine, an address and an agent of its own …", n)
	}
	c, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		say("\nTaking everything away again …")
		if err = errors.Join(err, c.Close()); err == nil || errors.Is(err, context.Canceled) {
			say("Nothing is left.")
		}
	}()
	versions := []int{1}
	if upgrades {
		versions = []int{1, 2, 3}
	}
	say("Making the leaderboard's images, and its store's, without a registry …")
	if err := c.LoadExample(ctx, versions...); err != nil {
		return err
	}
	if err := show(ctx, c, "apply", "-f", composeFile, "--wait"); err != nil {
		return err
	}
	for _, args := range [][]string{{"services"}, {"instances"}, {"hosts"}, {"lb", "show", "leaderboard/rank"}} {
		if err := show(ctx, c, args...); err != nil {
			return err
		}
	}
	url := "http://" + c.BalancerAddress() + ":8080"
	if err := compete(ctx, url); err != nil {
		return err
	}
	say("\nFrom nothing to this: %s.", time.Since(began).Round(time.Second))
	switch {
	case upgrades:
		return upgrade(ctx, c)
	case once:
		return nil
	}
	if err := next(ctx, c, url, n); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// show runs the command line the way a person would.
func show(ctx context.Context, c *cluster.Cluster, args ...string) error {
	line := "muster"
	for _, arg := range args {
		line += " " + arg
	}
	say("\n$ %s", line)
	cmd := exec.CommandContext(ctx, c.CLI, args...)
	cmd.Env = append(os.Environ(), "MUSTER_HUB="+c.URL)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// movable is a host whose instances can all move: the store's data can't.
func movable(ctx context.Context, c *cluster.Cluster) (string, error) {
	list, err := c.Client.Instances(ctx, "leaderboard/board", "")
	if err != nil {
		return "", err
	}
	for _, host := range c.Fleet.Hosts {
		if host.Name != cluster.HubHost && !slices.ContainsFunc(list.Items, func(in fleet.InstanceView) bool { return in.Host == host.Name }) {
			return host.Name, nil
		}
	}
	return "", errors.New("every host has the store")
}

// next says what to try.
func next(ctx context.Context, c *cluster.Cluster, url string, n int) error {
	say(`
The leaderboard is at %s (in a browser or with curl), the hub at %s.
In another terminal, as root:

  export MUSTER_HUB=%s PATH=%s:$PATH
  muster services                          # desired beside actual
  muster scale leaderboard/rank=8 --wait   # three more
  muster events --follow                   # what happens, and why`, url, c.URL, c.URL, filepath.Dir(c.CLI))
	name, socket := "this machine", c.LocalSocket()
	if n > 1 {
		var err error
		if name, err = movable(ctx, c); err != nil {
			return err
		}
		socket = c.Fleet.Host(name).DockerSocket
	}
	say(`  docker -H unix://%s ps                   # the engine of %s
  docker -H unix://%s kill $(docker -H unix://%s ps -q | head -1)   # and see it heal`, socket, name, socket, socket)
	if n > 1 {
		say(`  muster host drain %s --wait            # empty a host, nothing is dropped
  muster host activate %s`, name, name)
	}
	say("\nCtrl-C takes everything away.")
	return nil
}
