// Package cluster runs a whole fleet on one machine: a hub, and agents on test
// hosts, as the real programs in processes of their own. The demo and the
// end-to-end tests stand on it.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/test/hosts"
)

// HubHost is the test host on which the hub runs: it has no engine.
const HubHost = "hub"

// Ports of the hub, with TLS and without.
const (
	mqttsPort = "8883"
	httpsPort = "8443"
	mqttPort  = "1883"
	httpPort  = "8080"
)

// packages are those of Muster's programs.
var packages = []string{"hub/cmd/muster-hub", "agent/cmd/muster-agent", "hub/cmd/muster"}

// Options of a cluster.
type Options struct {
	Hosts     []string // with an engine and an agent each
	Balancers []string // those of Hosts that have an HAProxy
	Nginx     []string // and those that have an nginx
	Dir       string   // in which everything that the cluster writes gets a directory, removed by Close
	Engine    string   // StartLocal: the socket of the engine to use; empty: where the machine's own listens
	Logger    *slog.Logger
	// Of is a cluster whose programs this one runs, too; nil: they are built anew.
	Of *Cluster
	// HubPrograms and AgentPrograms are folders with those of another release; empty:
	// those of this working copy run.
	HubPrograms   string
	AgentPrograms string
	// HubArgs and AgentArgs are added to the programs' arguments.
	HubArgs   []string
	AgentArgs []string
	// Open: the hub listens without TLS and authentication, too, for tests that speak
	// to it in the simplest way.
	Open bool
	// Labels of hosts, "key=value".
	Labels map[string][]string
}

// Cluster is a running fleet.
type Cluster struct {
	Fleet  *hosts.Fleet
	Hub    *Process
	Agents map[string]*Process
	Client *client.Client
	// URL is the hub's, for the command line: the socket on its machine, or HTTP where
	// the cluster is Open. CLI is the path of the command line.
	URL string
	CLI string

	dir     string
	opts    Options
	local   *hosts.Local // single-host fleets: the engine
	address string       // single-host fleets: the balancer's address
}

// BalancerAddress is the address of the first balancer.
func (c *Cluster) BalancerAddress() string {
	if c.Fleet == nil {
		return c.address
	}
	return c.Fleet.Host(c.opts.Balancers[0]).Address
}

// Start makes the hosts, builds the programs, and starts engines, hub and
// agents. After an error nothing is left.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	return begin(ctx, o, (*Cluster).start)
}

// begin starts a cluster in one of the two ways.
func begin(ctx context.Context, o Options, start func(*Cluster, context.Context) error) (*Cluster, error) {
	c := &Cluster{opts: o, Agents: map[string]*Process{}}
	if err := start(c, ctx); err != nil {
		var said strings.Builder
		c.Logs(&said, 2000)
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, &said), c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	fleet, err := hosts.New(ctx, hosts.Options{Names: append([]string{HubHost}, c.opts.Hosts...), Dir: c.opts.Dir, Logger: c.opts.Logger})
	if err != nil {
		return err
	}
	c.Fleet, c.dir = fleet, fleet.Dir
	built, ctxBuild := errgroup.WithContext(ctx)
	built.Go(func() error { return c.programs(ctxBuild) })
	for _, name := range c.opts.Hosts {
		built.Go(func() error { return fleet.Host(name).StartEngine(ctxBuild) })
	}
	if err := built.Wait(); err != nil {
		return err
	}
	c.CLI = filepath.Join(c.dir, "muster")
	hub := fleet.Host(HubHost)
	c.URL = "unix://" + c.socket()
	if c.open() {
		c.URL = "http://" + net.JoinHostPort(hub.Address, httpPort)
	}
	if c.Client, err = client.New(client.Options{URL: c.URL}); err != nil {
		return err
	}
	c.Hub = c.hubProcess(hub)
	if err := c.startHub(ctx); err != nil {
		return err
	}
	return c.startAgents(ctx)
}

func (c *Cluster) startHub(ctx context.Context) error {
	if err := c.Hub.Start(ctx); err != nil {
		return err
	}
	return c.Until(ctx, 20*time.Second, "the hub answers", func(ctx context.Context) (bool, string) {
		_, err := c.Client.Version(ctx)
		return err == nil, fmt.Sprint(err)
	})
}

func (c *Cluster) startAgents(ctx context.Context) error {
	for _, name := range c.opts.Hosts {
		agent := c.agentProcess(c.Fleet.Host(name))
		c.Agents[name] = agent
		if !c.plain() {
			if err := c.Join(ctx, name); err != nil {
				return err
			}
		}
		if err := agent.Start(ctx); err != nil {
			return err
		}
	}
	return c.joined(ctx)
}

func (c *Cluster) joined(ctx context.Context) error {
	return c.Until(ctx, 30*time.Second, "every agent has joined", func(ctx context.Context) (bool, string) {
		list, err := c.Client.Hosts(ctx)
		if err != nil {
			return false, err.Error()
		}
		up, balancers := 0, 0
		for _, h := range list.Items {
			if h.Status.State == "up" && h.Engine.Up {
				up++
				balancers += len(h.Facts.Balancers)
			}
		}
		return up == len(c.opts.Hosts) && balancers == len(c.opts.Balancers)+len(c.opts.Nginx), fmt.Sprintf("%d hosts are up, with %d balancers", up, balancers)
	})
}

func (c *Cluster) hubProcess(h *hosts.Host) *Process {
	args := []string{"--state-dir", filepath.Join(c.dir, "hub-state")}
	if c.open() {
		args = append(args, "--mqtt", net.JoinHostPort(h.Address, mqttPort), "--http", net.JoinHostPort(h.Address, httpPort),
			"--insecure-listen-without-authentication")
	}
	if c.opts.HubPrograms == "" {
		args = append(args, "--mqtts", net.JoinHostPort(h.Address, mqttsPort), "--https", net.JoinHostPort(h.Address, httpsPort),
			"--name", h.Address, "--socket", c.socket())
	}
	args = append(args, c.opts.HubArgs...)
	return &Process{host: h, program: filepath.Join(cmp.Or(c.opts.HubPrograms, c.dir), "muster-hub"), args: args, log: filepath.Join(c.dir, "hub.log")}
}

func (c *Cluster) agentProcess(h *hosts.Host) *Process {
	args := []string{
		"--host-id", h.Name, "--advertise", h.Address, "--engine", "unix://" + h.DockerSocket,
		"--state-dir", c.StateDir(h.Name), "--machine-id", "machine-of-" + h.Name,
	}
	if c.plain() {
		hub := c.Fleet.Host(HubHost).Address
		args = append(args, "--hub", "tcp://"+net.JoinHostPort(hub, mqttPort), "--hub-http", "http://"+net.JoinHostPort(hub, httpPort), "--insecure-plaintext-hub")
	}
	for _, label := range c.opts.Labels[h.Name] {
		args = append(args, "--label", label)
	}
	for _, name := range c.opts.Balancers {
		if name == h.Name {
			args = append(args, "--haproxy")
		}
	}
	if slices.Contains(c.opts.Nginx, h.Name) {
		args = append(args, "--nginx")
	}
	args = append(args, c.opts.AgentArgs...)
	return &Process{host: h, program: filepath.Join(cmp.Or(c.opts.AgentPrograms, c.dir), "muster-agent"), args: args, env: c.agentEnv(h.Name), log: filepath.Join(c.dir, h.Name+".log")}
}

// agentEnv are settings that agents of before don't know as arguments.
func (c *Cluster) agentEnv(host string) []string {
	return []string{"MUSTER_AGENT_SECRETS_DIR=" + c.SecretsDir(host), "MUSTER_AGENT_CERTIFICATES_DIR=" + c.CertificatesDir(host)}
}

// CertificatesDir is where a host's operator keeps certificates.
func (c *Cluster) CertificatesDir(host string) string {
	return filepath.Join(c.dir, host+"-certificates")
}

// SecretsDir is where a host's agent mounts its memory for secrets.
func (c *Cluster) SecretsDir(host string) string { return filepath.Join(c.dir, host+"-secrets") }

// plain: one of the programs is of a release without TLS.
func (c *Cluster) plain() bool { return c.opts.HubPrograms != "" || c.opts.AgentPrograms != "" }

// Join has a host join anew, whose agent doesn't run.
func (c *Cluster) Join(ctx context.Context, host string) error {
	return c.join(ctx, c.Agents[host], host, net.JoinHostPort(c.Fleet.Host(HubHost).Address, httpsPort))
}

// open: the hub listens without TLS, too.
func (c *Cluster) open() bool { return c.opts.Open || c.plain() }

// socket is the hub's, for its own machine.
func (c *Cluster) socket() string { return filepath.Join(c.dir, "hub.sock") }

// join makes a machine a host, as a person does: by the line that a token comes
// with.
func (c *Cluster) join(ctx context.Context, agent *Process, host, hub string) error {
	token, err := c.Client.CreateToken(ctx, client.TokenOrder{Host: host}, client.Write{})
	if err != nil {
		return fmt.Errorf("make a join token for %s: %w", host, err)
	}
	join := agent.command(append(slices.Clone(agent.args), "join", hub, "-"))
	join.Stdin = strings.NewReader(token.Token)
	if out, err := join.CombinedOutput(); err != nil {
		return fmt.Errorf("join as %s: %w: %s", host, err, out)
	}
	return nil
}

// StateDir is where a host's agent keeps its state.
func (c *Cluster) StateDir(host string) string { return filepath.Join(c.dir, host+"-state") }

// Build makes the three programs in a folder.
func Build(ctx context.Context, dir string) error {
	for _, name := range packages {
		if err := hosts.BuildGo(ctx, "github.com/musterhq/muster/"+name, filepath.Join(dir, filepath.Base(name))); err != nil {
			return err
		}
	}
	return nil
}

// programs gets the three programs, from another cluster that has built them, or anew.
func (c *Cluster) programs(ctx context.Context) error {
	if c.opts.Of == nil {
		return Build(ctx, c.dir)
	}
	for _, name := range packages {
		name = filepath.Base(name)
		if err := os.Link(filepath.Join(c.opts.Of.dir, name), filepath.Join(c.dir, name)); err != nil {
			return fmt.Errorf("take a program of another cluster: %w", err)
		}
	}
	return nil
}

// Until asks again and again until done, or says what was last missing.
func (c *Cluster) Until(ctx context.Context, limit time.Duration, what string, done func(context.Context) (bool, string)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := "nothing was seen"
	for {
		began := time.Now()
		ok, why := done(ctx)
		if ok {
			return nil
		}
		if ctx.Err() == nil {
			last = why
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w; last: %s", what, ctx.Err(), last)
		case <-time.After(max(20*time.Millisecond, 3*time.Since(began))): // looking mustn't slow down what is looked for
		}
	}
}

// Close stops everything and leaves nothing behind.
func (c *Cluster) Close() error {
	var errs []error
	if c.Client != nil {
		c.Client.Close()
	}
	for _, agent := range c.Agents {
		errs = append(errs, agent.Stop())
	}
	if c.Hub != nil {
		errs = append(errs, c.Hub.Stop())
	}
	if c.Fleet != nil {
		errs = append(errs, c.Fleet.Close())
	}
	if c.local != nil {
		errs = append(errs, c.local.Close())
	}
	return errors.Join(errs...)
}

// Logs writes the end of every program's log, for a test that failed.
func (c *Cluster) Logs(w io.Writer, bytes int64) {
	processes := []*Process{c.Hub}
	for _, name := range c.opts.Hosts {
		processes = append(processes, c.Agents[name])
	}
	for _, p := range processes {
		if p != nil {
			fmt.Fprintf(w, "--- %s\n%s\n", p.log, p.tail(bytes))
		}
	}
}
