package cluster

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Container is one of the fleet's containers, as its engine says.
type Container struct {
	ID       string
	Host     string
	Name     string
	Instance string
	Service  string
	State    string
	Started  string
	Restarts int
	Pid      int
}

// Containers lists every container on every engine, by id. All of them have to
// answer.
func (c *Cluster) Containers(ctx context.Context) (map[string]Container, error) {
	lists := make([][]Container, len(c.opts.Hosts))
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range c.opts.Hosts {
		group.Go(func() (err error) {
			lists[i], err = c.ContainersOn(ctx, name)
			return err
		})
	}
	err := group.Wait()
	out := map[string]Container{}
	for _, list := range lists {
		for _, container := range list {
			out[container.ID] = container
		}
	}
	return out, err
}

// ContainersOn lists every container on one host. It asks the engine's API itself:
// who waits for something asks many times a second, which a program can't be started
// for each time.
func (c *Cluster) ContainersOn(ctx context.Context, host string) ([]Container, error) {
	engine := c.Fleet.Host(host).Client
	var listed []struct {
		ID string `json:"Id"`
	}
	if _, err := engine.Get(ctx, "/containers/json?all=1", &listed); err != nil {
		return nil, fmt.Errorf("list containers on %s: %w", host, err)
	}
	var out []Container
	for _, l := range listed {
		var found struct {
			Name         string
			RestartCount int
			State        struct {
				Status    string
				StartedAt string
				Pid       int
			}
			Config struct{ Labels map[string]string }
		}
		there, err := engine.Get(ctx, "/containers/"+l.ID+"/json", &found)
		if err != nil {
			return nil, fmt.Errorf("inspect container %s on %s: %w", l.ID, host, err)
		}
		if !there { // it went since it was listed
			continue
		}
		out = append(out, Container{
			ID: l.ID, Host: host, Name: strings.TrimPrefix(found.Name, "/"), State: found.State.Status, Started: found.State.StartedAt,
			Restarts: found.RestartCount, Pid: found.State.Pid,
			Instance: found.Config.Labels["muster.instance"], Service: found.Config.Labels["muster.service"],
		})
	}
	return out, nil
}
