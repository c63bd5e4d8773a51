package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	url    string
	mqtt   string
	crowds []*crowd.Process
	agents int
}

func startLone(ctx context.Context) (l *lone, err error) {
	l = &lone{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.end())
		}
	}()
	if l.dir, err = os.MkdirTemp("/var/tmp", "bench"); err != nil {
		return l, err
	}
	for _, pkg := range []string{"hub/cmd/muster-hub", "bench/crowd/cmd/crowd"} {
		if err := hosts.BuildGo(ctx, "github.com/musterhq/muster/"+pkg, l.program(filepath.Base(pkg))); err != nil {
			return l, err
		}
	}
	if l.mqtt, err = freeAddress(); err != nil {
		return l, err
	}
	web, err := freeAddress()
	if err != nil {
		return l, err
	}
	l.url = "http://" + web
	if l.client, err = client.New(client.Options{URL: l.url, Timeout: limit}); err != nil {
		return l, err
	}
	log, err := os.Create(l.program("hub.log"))
	if err != nil {
		return l, err
	}
	defer log.Close()
	l.cmd = exec.CommandContext(ctx, l.program("muster-hub"), "--state-dir", l.program("state"), "--mqtt", l.mqtt, "--http", web)
	l.cmd.Cancel = func() error { return l.cmd.Process.Signal(syscall.SIGTERM) }
	l.cmd.Stderr = log
	if err := l.cmd.Start(); err != nil {
		return l, fmt.Errorf("start the hub: %w", err)
	}
	return l, until(ctx, "the hub answers", func(ctx context.Context) (bool, error) {
		_, err := l.client.Version(ctx)
		return err == nil, err
	})
}

func (l *lone) program(name string) string { return filepath.Join(l.dir, name) }

func (l *lone) pid() int { return l.cmd.Process.Pid }

// join starts agents and returns how long it took until the hub answered all.
func (l *lone) join(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	for l.agents < n {
		o := crowd.DefaultOptions()
		o.Hub, o.First, o.Agents = l.mqtt, l.agents, min(mostAgents, n-l.agents)
		o.Source = fmt.Sprintf("127.0.1.%d", 1+len(l.crowds)) // each has ports of its own
		p, err := crowd.Start(ctx, l.program("crowd"), o)
		if err != nil {
			return 0, err
		}
		l.crowds = append(l.crowds, p)
		l.agents += o.Agents
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
		return so(s), fmt.Errorf("of %d agents %d are connected, %d heard, %d reached, %d confirmed, %d settled", s.Agents, s.Connected, s.Heard, s.Reached, s.Confirmed, s.Settled)
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
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
