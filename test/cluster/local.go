package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/test/hosts"
)

// StartLocal starts a hub and one agent in this machine's own network, on the
// machine's own engine; where none runs, on one that is started for it.
func StartLocal(ctx context.Context, o Options) (*Cluster, error) {
	return begin(ctx, o, (*Cluster).startLocal)
}

func (c *Cluster) startLocal(ctx context.Context) error {
	built, buildCtx := errgroup.WithContext(ctx)
	built.Go(func() error { return Build(buildCtx, c.dir) })
	built.Go(func() (err error) {
		c.local, err = hosts.LocalEngine(ctx, hosts.Options{Dir: c.dir, Logger: c.opts.Logger})
		return err
	})
	if err := built.Wait(); err != nil {
		return err
	}
	address, err := c.bridgeAddress(ctx)
	if err != nil {
		return err
	}
	web, err := freeAddress()
	if err != nil {
		return err
	}
	mqtt, err := freeAddress()
	if err != nil {
		return err
	}
	c.CLI, c.URL, c.address = filepath.Join(c.dir, "muster"), "http://"+web, address
	if c.Client, err = client.New(client.Options{URL: c.URL}); err != nil {
		return err
	}
	name := c.opts.Hosts[0]
	c.Hub = &Process{program: filepath.Join(c.dir, "muster-hub"), log: filepath.Join(c.dir, "hub.log"),
		args: append([]string{"--state-dir", filepath.Join(c.dir, "hub-state"), "--mqtt", mqtt, "--http", web}, c.opts.HubArgs...)}
	c.Agents[name] = &Process{program: filepath.Join(c.dir, "muster-agent"), log: filepath.Join(c.dir, name+".log"),
		args: append([]string{
			"--host-id", name, "--advertise", address, "--engine", "unix://" + c.local.DockerSocket, "--hub", "tcp://" + mqtt,
			"--hub-http", c.URL, "--state-dir", filepath.Join(c.dir, name+"-state"), "--haproxy",
		}, c.opts.AgentArgs...)}
	if err := c.startHub(ctx); err != nil {
		return err
	}
	if err := c.Agents[name].Start(ctx); err != nil {
		return err
	}
	return c.joined(ctx)
}

// bridgeAddress is where containers of the engine reach this machine.
func (c *Cluster) bridgeAddress(ctx context.Context) (string, error) {
	out, err := c.local.Docker(ctx, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").Output()
	address := strings.TrimSpace(string(out))
	if err != nil || net.ParseIP(address) == nil {
		return "", fmt.Errorf("find the address of the engine's bridge: %q, %w", address, err)
	}
	return address, nil
}

// freeAddress is a loopback address with a port that is free now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// leaveLocal removes what agents leave running on purpose: the containers and
// volumes of this fleet, and its HAProxy.
func (c *Cluster) leaveLocal() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "-aq", "--filter", "label=muster.host=" + c.opts.Hosts[0]}, []string{"rm", "-f"}},
		{[]string{"volume", "ls", "-q", "--filter", "label=muster.lineage"}, []string{"volume", "rm"}},
	} {
		out, err := c.local.Docker(ctx, kind.list...).Output()
		if ids := strings.Fields(string(out)); err == nil && len(ids) > 0 {
			err = c.local.Docker(ctx, append(kind.remove, ids...)...).Run()
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.stopHAProxy())...)
}

// stopHAProxy ends the balancer that the agent left running.
func (c *Cluster) stopHAProxy() error {
	pids, err := filepath.Glob(filepath.Join(c.dir, "*-state", "*", "*.pid"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range pids {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
			errs = append(errs, syscall.Kill(pid, syscall.SIGTERM))
		}
	}
	return errors.Join(errs...)
}
