package cluster

import (
	"context"
	"encoding/json"
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

// ContainersOn lists every container on one host.
func (c *Cluster) ContainersOn(ctx context.Context, host string) ([]Container, error) {
	h := c.Fleet.Host(host)
	ids, err := h.Docker(ctx, "ps", "-aq", "--no-trunc").Output()
	if err != nil {
		return nil, fmt.Errorf("list containers on %s: %w", host, err)
	}
	names := strings.Fields(string(ids))
	if len(names) == 0 {
		return nil, nil
	}
	raw, err := h.Docker(ctx, append([]string{"inspect"}, names...)...).Output()
	if err != nil && len(raw) == 0 {
		return nil, fmt.Errorf("inspect containers on %s: %w", host, err)
	}
	var found []struct {
		ID           string `json:"Id"`
		Name         string
		RestartCount int
		State        struct {
			Status    string
			StartedAt string
			Pid       int
		}
		Config struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return nil, fmt.Errorf("read containers of %s: %w", host, err)
	}
	var out []Container
	for _, f := range found {
		out = append(out, Container{
			ID: f.ID, Host: host, Name: strings.TrimPrefix(f.Name, "/"), State: f.State.Status, Started: f.State.StartedAt,
			Restarts: f.RestartCount, Pid: f.State.Pid,
			Instance: f.Config.Labels["muster.instance"], Service: f.Config.Labels["muster.service"],
		})
	}
	return out, nil
}
