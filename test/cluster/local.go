package cluster

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/test/hosts"
)

// StartLocal starts a hub and one agent in this machine's own network, on the
// machine's own engine; where none runs, on one that is started for it.
func StartLocal(ctx context.Context, o Options) (*Cluster, error) {
	return begin(ctx, o, (*Cluster).startLocal)
}

func (c *Cluster) startLocal(ctx context.Context) error {
	local, err := hosts.LocalEngine(ctx, hosts.Options{Dir: c.opts.Dir, Engine: c.opts.Engine, Logger: c.opts.Logger})
	if err != nil {
		return err
	}
	c.local, c.dir = local, local.Dir
	if err := Build(ctx, c.dir); err != nil {
		return err
	}
	address, err := c.bridgeAddress(ctx)
	if err != nil {
		return err
	}
	mqtt, err := freeAddress()
	if err != nil {
		return err
	}
	https, err := freeAddress()
	if err != nil {
		return err
	}
	c.CLI, c.URL, c.address = filepath.Join(c.dir, "muster"), "unix://"+c.socket(), address
	if c.Client, err = client.New(client.Options{URL: c.URL}); err != nil {
		return err
	}
	name := c.opts.Hosts[0]
	c.Hub = &Process{program: filepath.Join(c.dir, "muster-hub"), log: filepath.Join(c.dir, "hub.log"),
		args: append([]string{"--state-dir", filepath.Join(c.dir, "hub-state"), "--mqtts", mqtt, "--https", https, "--socket", c.socket()},
			c.opts.HubArgs...)}
	c.Agents[name] = &Process{program: filepath.Join(c.dir, "muster-agent"), env: c.agentEnv(name), log: filepath.Join(c.dir, name+".log"),
		args: append([]string{
			"--host-id", name, "--advertise", address, "--engine", "unix://" + c.local.DockerSocket,
			"--state-dir", filepath.Join(c.dir, name+"-state"), "--haproxy",
		}, c.opts.AgentArgs...)}
	if err := c.startHub(ctx); err != nil {
		return err
	}
	if err := c.join(ctx, c.Agents[name], name, https); err != nil {
		return err
	}
	if err := c.Agents[name].Start(ctx); err != nil {
		return err
	}
	if err := c.joined(ctx); err != nil {
		return err
	}
	return c.claimLineage(ctx, name)
}

// LocalSocket is the engine's of a fleet on this machine; empty: of no such fleet.
func (c *Cluster) LocalSocket() string {
	if c.local == nil {
		return ""
	}
	return c.local.DockerSocket
}

// claimLineage claims what this fleet will put on the engine, before there is
// any: the agent labels all of it with the lineage that it follows.
func (c *Cluster) claimLineage(ctx context.Context, host string) error {
	lineage := ""
	err := c.Until(ctx, 30*time.Second, "the agent follows the hub", func(ctx context.Context) (bool, string) {
		h, err := c.Client.Host(ctx, host)
		lineage = h.Observed.Lineage
		return lineage != "", fmt.Sprint(err)
	})
	if err != nil {
		return err
	}
	return c.local.Claim("muster.lineage=" + lineage)
}

// bridgeAddress is this machine's address on the engine's bridge, where
// containers reach it. An engine that has just made its bridge names no gateway
// yet, so the interface is asked.
func (c *Cluster) bridgeAddress(ctx context.Context) (string, error) {
	out, err := c.local.Docker(ctx, "network", "inspect", "bridge", "--format", `{{index .Options "com.docker.network.bridge.name"}}`).Output()
	if err != nil {
		return "", fmt.Errorf("find the engine's bridge: %w", err)
	}
	bridge, err := net.InterfaceByName(strings.TrimSpace(string(out)))
	if err != nil {
		return "", fmt.Errorf("find the engine's bridge: %w", err)
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return "", fmt.Errorf("find the address of %s: %w", bridge.Name, err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil {
			return network.IP.String(), nil
		}
	}
	return "", fmt.Errorf("%s has no IPv4 address", bridge.Name)
}

// freeAddress is a loopback address with a port that is free now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
