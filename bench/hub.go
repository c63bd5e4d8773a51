package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/musterhq/muster/bench/crowd"
	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/test/hosts"
)

// mostAgents of one process.
const mostAgents = 2500

// lone is a hub on this machine's loopback, with as many agents as one likes.
type lone struct {
	dir    string
	cmd    *exec.Cmd
	client *client.Client
	args   []string // of the hub
	mqtt   string   // where agents connect
	join   string   // where they join; empty: they don't
	crowds []*crowd.Process
	agents int
}

// startLone starts one that agents connect to over TLS, with certificates of their
// own, or one without TLS.
func startLone(ctx context.Context, secure bool, debug string) (l *lone, err error) {
	l = &lone{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.end())
		}
	}()
	if l.dir, err = os.MkdirTemp("/var/tmp", "bench"); err != nil {
		return l, err
	}
	for _, pkg := range []string{"hub/cmd/muster-hub", "bench/crowd/cmd/crowd", "bench/flood/cmd/flood"} {
		if err := hosts.BuildGo(ctx, "github.com/musterhq/muster/"+pkg, l.program(filepath.Base(pkg))); err != nil {
			return l, err
		}
	}
	if l.mqtt, err = freeAddress(); err != nil {
		return l, err
	}
	socket := l.program("hub.sock")
	if l.client, err = client.New(client.Options{URL: "unix://" + socket, Timeout: limit}); err != nil {
		return l, err
	}
	l.args = []string{"--state-dir", l.program("state"), "--socket", socket}
	if secure {
		if l.join, err = freeAddress(); err != nil {
			return l, err
		}
		l.args = append(l.args, "--mqtts", l.mqtt, "--https", l.join)
	} else {
		l.args = append(l.args, "--mqtts", "", "--https", "", "--mqtt", l.mqtt, "--insecure-listen-without-authentication")
	}
	if debug != "" {
		l.args = append(l.args, "--debug-addr", debug)
	}
	err = l.run(ctx)
	return l, err
}

// run runs the hub, and returns when it answers.
func (l *lone) run(ctx context.Context) error {
	log, err := os.OpenFile(l.program("hub.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, l.program("muster-hub"), l.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the hub: %w", err)
	}
	l.cmd = cmd
	return until(ctx, "the hub answers", func(ctx context.Context) (bool, error) {
		_, err := l.client.Version(ctx)
		return err == nil, err
	})
}

// kill ends the hub as a power cut would, and starts it again.
func (l *lone) kill(ctx context.Context) error {
	if err := l.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = l.cmd.Wait() // it says that it was killed
	return l.run(ctx)
}

func (l *lone) program(name string) string { return filepath.Join(l.dir, name) }

func (l *lone) pid() int { return l.cmd.Process.Pid }

// enter starts agents, and returns how long it took until the hub answered all.
// With TLS they have joined before, with one token.
func (l *lone) enter(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	for l.agents < n {
		o := crowd.DefaultOptions()
		o.Hub, o.Join, o.First, o.Agents = l.mqtt, l.join, l.agents, min(mostAgents, n-l.agents)
		p, err := crowd.Start(ctx, l.program("crowd"), o)
		if err != nil {
			return 0, err
		}
		l.crowds = append(l.crowds, p)
		l.agents += o.Agents
	}
	if l.join != "" {
		token, err := l.client.CreateToken(ctx, client.TokenOrder{Uses: n}, client.Write{})
		if err != nil {
			return 0, err
		}
		if _, err := l.order(crowd.Order{Do: crowd.DoJoin, Token: token.Token}); err != nil {
			return 0, err
		}
	}
	s, err := l.wait(ctx, "all agents are heard", 0, func(s crowd.State) bool { return s.Heard == n && s.Settled == n })
	return s.HeardAt.Sub(began), err
}

// order has all agents do something and returns their state.
func (l *lone) order(o crowd.Order) (crowd.State, error) {
	var sum crowd.State
	for _, p := range l.crowds {
		s, err := p.Order(o)
		if err != nil {
			return sum, err
		}
		sum = sum.Add(s)
	}
	return sum, nil
}

// wait until the agents are so far. The state says when that was.
func (l *lone) wait(ctx context.Context, what string, generation uint64, so func(crowd.State) bool) (s crowd.State, err error) {
	err = untilEvery(ctx, 50*time.Millisecond, what, func(context.Context) (bool, error) {
		if s, err = l.order(crowd.Order{Do: crowd.DoState, Generation: generation}); err != nil {
			return false, err
		}
		return so(s), fmt.Errorf("of %d agents %d have joined, %d are connected, %d heard, %d reached, %d confirmed, %d settled; %s", s.Agents, s.Joined, s.Connected, s.Heard, s.Reached, s.Confirmed, s.Settled, s.Trouble)
	})
	return s, err
}

// The hub's metrics that are looked at.
const (
	metricDropped = "muster_queue_dropped_total" // messages that it had no room for
	metricHeap    = "go_memstats_heap_inuse_bytes"
	metricStacks  = "go_memstats_stack_inuse_bytes"
)

func (l *lone) metric(ctx context.Context, name string) (float64, error) {
	text, err := l.client.Raw(ctx, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	for row := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(row, name+" "); found {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("the hub has no metric %s", name)
}

func (l *lone) end() error {
	var errs []error
	for _, p := range l.crowds {
		errs = append(errs, p.Stop())
	}
	if l.client != nil {
		l.client.Close()
	}
	if l.cmd != nil && l.cmd.Process != nil {
		errs = append(errs, l.cmd.Process.Signal(syscall.SIGTERM), l.cmd.Wait())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// freeAddress is a loopback address with a port that is free now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
