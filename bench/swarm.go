package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// swarmService is the name of the one service that Swarm runs.
const swarmService = "web"

// swarm is Docker Swarm on the test hosts' engines: the first one manages, and
// works like the others.
type swarm struct {
	b       *bench
	manager *engine
}

// swarmOptions are what of a service is varied. The rest is as Muster's.
type swarmOptions struct {
	image        string
	count        int
	restartDelay *time.Duration // nil: Swarm's default, 5 s
	parallelism  int            // of an update
}

// formSwarm has the engines form a swarm, at its best: they look for no image in
// a registry (the test hosts' engines are started so, and over the API none is
// resolved).
func (b *bench) formSwarm(ctx context.Context) (*swarm, error) {
	s := &swarm{b: b, manager: b.engines[b.hosts[0]]}
	manager := b.c.Fleet.Host(b.hosts[0]).Address + ":2377"
	if err := s.manager.call(ctx, http.MethodPost, "/swarm/init", map[string]any{"ListenAddr": manager, "AdvertiseAddr": manager}, nil); err != nil {
		return nil, err
	}
	var formed struct{ JoinTokens struct{ Worker string } }
	if err := s.manager.call(ctx, http.MethodGet, "/swarm", nil, &formed); err != nil {
		return nil, err
	}
	for _, host := range b.hosts[1:] {
		own := b.c.Fleet.Host(host).Address + ":2377"
		join := map[string]any{"ListenAddr": own, "AdvertiseAddr": own, "RemoteAddrs": []string{manager}, "JoinToken": formed.JoinTokens.Worker}
		if err := b.engines[host].call(ctx, http.MethodPost, "/swarm/join", join, nil); err != nil {
			return nil, err
		}
	}
	err := s.ready(ctx)
	return s, err
}

// ready waits until every engine takes part.
func (s *swarm) ready(ctx context.Context) error {
	return until(ctx, "all engines are in the swarm", func(ctx context.Context) (bool, error) {
		var nodes []struct{ Status struct{ State string } }
		err := s.manager.call(ctx, http.MethodGet, "/nodes", nil, &nodes)
		up := 0
		for _, n := range nodes {
			if n.Status.State == "ready" {
				up++
			}
		}
		return up == len(s.b.hosts), err
	})
}

// leave dissolves the swarm.
func (s *swarm) leave(ctx context.Context) error {
	for i := len(s.b.hosts) - 1; i >= 0; i-- {
		if err := s.b.engines[s.b.hosts[i]].call(ctx, http.MethodPost, "/swarm/leave?force=true", nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (o swarmOptions) spec() map[string]any {
	restart := map[string]any{"Condition": "any"}
	if o.restartDelay != nil {
		restart["Delay"] = o.restartDelay.Nanoseconds()
	}
	return map[string]any{
		"Name": swarmService,
		"Mode": map[string]any{"Replicated": map[string]any{"Replicas": o.count}},
		"TaskTemplate": map[string]any{
			"ContainerSpec": map[string]any{"Image": o.image, "StopGracePeriod": (5 * time.Second).Nanoseconds()},
			"Resources":     map[string]any{"Limits": map[string]any{"NanoCPUs": 1_000_000_000, "MemoryBytes": 64 << 20}},
			"RestartPolicy": restart,
		},
		// A port of each host's own, of the engine's choice, as Muster's
		// instances have.
		"EndpointSpec": map[string]any{"Ports": []any{map[string]any{"Protocol": "tcp", "TargetPort": 8080, "PublishMode": "host"}}},
		// The least monitoring that Swarm knows, so that an update isn't slower
		// than it has to be.
		"UpdateConfig": map[string]any{"Parallelism": o.parallelism, "Order": "start-first", "Delay": 0, "Monitor": 1},
	}
}

func (s *swarm) create(ctx context.Context, o swarmOptions) error {
	return s.manager.call(ctx, http.MethodPost, "/services/create", o.spec(), nil)
}

func (s *swarm) update(ctx context.Context, o swarmOptions) error {
	var now struct{ Version struct{ Index uint64 } }
	if err := s.manager.call(ctx, http.MethodGet, "/services/"+swarmService, nil, &now); err != nil {
		return err
	}
	return s.manager.call(ctx, http.MethodPost, fmt.Sprintf("/services/%s/update?version=%d", swarmService, now.Version.Index), o.spec(), nil)
}

// task is one of the service's.
type task struct {
	ID           string
	NodeID       string
	DesiredState string
	Status       struct {
		State           string
		ContainerStatus struct{ ContainerID string }
	}
	Spec struct{ ContainerSpec struct{ Image string } }
}

func (t task) running() bool { return t.Status.State == "running" && t.DesiredState == "running" }

func (s *swarm) tasks(ctx context.Context) (tasks []task, err error) {
	filter := url.QueryEscape(`{"service":["` + swarmService + `"]}`)
	err = s.manager.call(ctx, http.MethodGet, "/tasks?filters="+filter, nil, &tasks)
	return tasks, err
}

// running waits until so many tasks run, and nothing else that counts does.
func (s *swarm) running(ctx context.Context, what string, count int, counts func(task) bool) error {
	return until(ctx, what, func(ctx context.Context) (bool, error) {
		tasks, err := s.tasks(ctx)
		n := 0
		for _, t := range tasks {
			if t.running() && counts(t) {
				n++
			}
		}
		return n == count, err
	})
}

func every(task) bool { return true }

// remove takes the service away and waits until its containers are gone.
func (s *swarm) remove(ctx context.Context) error {
	if err := s.manager.call(ctx, http.MethodDelete, "/services/"+swarmService, nil, nil); err != nil {
		return err
	}
	return s.b.onHosts(ctx, func(ctx context.Context, _ int, host string) error {
		filter := url.QueryEscape(`{"label":["com.docker.swarm.service.name=` + swarmService + `"]}`)
		return until(ctx, "Swarm's containers are gone", func(ctx context.Context) (bool, error) {
			var left []struct{ ID string }
			err := s.b.engines[host].call(ctx, http.MethodGet, "/containers/json?all=true&filters="+filter, nil, &left)
			return err == nil && len(left) == 0, err
		})
	})
}

// withSwarm stops Muster's agents, forms a swarm for what do measures, and puts
// everything back.
func (b *bench) withSwarm(ctx context.Context, do func(context.Context, *swarm) error) error {
	if err := b.stopAgents(); err != nil {
		return err
	}
	s, err := b.formSwarm(ctx)
	if err != nil {
		return fmt.Errorf("form a swarm: %w", err)
	}
	if err := do(ctx, s); err != nil {
		return fmt.Errorf("swarm: %w", err)
	}
	if err := s.leave(ctx); err != nil {
		return fmt.Errorf("leave the swarm: %w", err)
	}
	return b.startAgents(ctx)
}

// apply is how long Swarm takes from the order to n running tasks.
func (s *swarm) apply(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	if err := s.create(ctx, swarmOptions{image: "app:1", count: n, parallelism: 1}); err != nil {
		return 0, err
	}
	if err := s.running(ctx, "all tasks run", n, every); err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, s.remove(ctx)
}
