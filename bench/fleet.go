package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/hosts"
)

const project = "bench"

// firstPort is the one that the balancer listens on first.
const firstPort = 9000

var web = fleet.ServiceKey{Project: project, Name: "web"}

// bench is a running fleet that is measured.
type bench struct {
	options
	c       *cluster.Cluster
	hosts   []string
	engines map[string]*engine
	port    int    // that the balancer listened on last
	floor   *floor // nil: not found yet
}

// prepare starts the fleet of test hosts if the next measurement needs it and
// it doesn't run, and takes it away if it would only disturb.
func (b *bench) prepare(ctx context.Context, alone bool) error {
	switch {
	case alone:
		return b.end()
	case b.c != nil:
		return nil
	}
	say("Building Muster, and starting a hub and 3 hosts …")
	b.hosts, b.engines, b.port = hosts.Numbered("web", 3), map[string]*engine{}, firstPort
	var err error
	b.c, err = cluster.Start(ctx, cluster.Options{Hosts: b.hosts, Balancers: b.hosts[:1], Dir: "/var/tmp", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.c = nil
		return err
	}
	return b.warmUp(ctx)
}

// warmUp lets every engine start a container once: the first one is slower than
// all others.
func (b *bench) warmUp(ctx context.Context) error {
	err := b.c.LoadApps(ctx, map[string][]string{
		"app:1": {"VERSION=1"}, "app:2": {"VERSION=2"}, "app:3": {"VERSION=3", "FAIL_EVERY=20"},
		"rude:1": {"VERSION=1", "ON_TERM=exit"}, "rude:2": {"VERSION=2", "ON_TERM=exit"},
	})
	if err != nil {
		return err
	}
	for _, host := range b.hosts {
		b.engines[host] = newEngine(b.c.Fleet.Host(host).DockerSocket)
	}
	if _, err := b.apply(ctx, b.document("app:1", 2*len(b.hosts))); err != nil {
		return err
	}
	return b.remove(ctx)
}

// end takes the fleet away, if there is one.
func (b *bench) end() error {
	if b.c == nil {
		return nil
	}
	var err error
	if b.logs != "" {
		err = b.saveLogs()
	}
	for _, e := range b.engines {
		e.close()
	}
	err = errors.Join(err, b.c.Close())
	b.c = nil
	return err
}

func (b *bench) saveLogs() error {
	file, err := os.Create(b.logs)
	if err != nil {
		return err
	}
	b.c.Logs(file, 64<<20)
	return file.Close()
}

// document is a Compose document of one service behind the balancer, on a
// port that wasn't used before.
func (b *bench) document(image string, count int, more ...string) string {
	return behind(b.port, project, image, count, more...)
}

// behind is a document of one service behind the balancer.
func behind(port int, project, image string, count int, more ...string) string {
	return alone(project, image, count, more...) + fmt.Sprintf(`    x-lb:
      listen: %d
      target: 8080
      protocol: http
      check: {path: /healthz}
`, port)
}

// url is where the balancer offers a port.
func (b *bench) url(port int) string {
	return fmt.Sprintf("http://%s:%d", b.c.Fleet.Host(b.hosts[0]).Address, port)
}

// plain is the same service without a balancer.
func plain(image string, count int, more ...string) string {
	return alone(project, image, count, more...)
}

func alone(project, image string, count int, more ...string) string {
	constraint := ""
	for _, m := range more {
		constraint += fmt.Sprintf("\n      placement: {constraints: [%q]}", m)
	}
	return fmt.Sprintf(`name: %s
services:
  web:
    image: %s
    stop_grace_period: 5s
    deploy:
      replicas: %d
      resources: {limits: {memory: 64M, cpus: "1"}}%s
    x-probe: {http: /healthz, port: 8080, interval: 1s}
`, project, image, count, constraint)
}

// apply applies a document and returns how long it took until the service was
// as it was asked for: every instance ready, and in force on the balancer.
func (b *bench) apply(ctx context.Context, document string) (time.Duration, error) {
	began := time.Now()
	if _, err := b.c.Client.Apply(ctx, project, client.Apply{Document: document}, client.Write{}); err != nil {
		return 0, err
	}
	err := b.converged(ctx)
	return time.Since(began), err
}

func (b *bench) converged(ctx context.Context) error {
	return untilEvery(ctx, seldom, "the service has converged", func(ctx context.Context) (bool, error) {
		list, err := b.c.Client.Services(ctx, project) // cheaper for the hub than all of one
		return len(list.Items) == 1 && list.Items[0].State == fleet.ServiceConverged, err
	})
}

// remove takes the service away, and the next one gets a port of its own.
func (b *bench) remove(ctx context.Context) error {
	b.port++
	if _, err := b.c.Client.Remove(ctx, web, client.Write{}); err != nil {
		return err
	}
	return until(ctx, "the service is gone", func(ctx context.Context) (bool, error) {
		list, err := b.c.Client.Services(ctx, project)
		return err == nil && len(list.Items) == 0, err
	})
}

// events of the service after a revision.
func (b *bench) events(ctx context.Context, since uint64) ([]fleet.Event, error) {
	list, err := b.c.Client.Events(ctx, client.EventFilter{Since: since, Service: web.String(), Limit: 1000})
	return list.Items, err
}

func (b *bench) revision(ctx context.Context) (uint64, error) {
	list, err := b.c.Client.Services(ctx, project)
	return list.Revision, err
}
