package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// toNetworkMode is empty where the engine's own bridge is meant.
func toNetworkMode(spec *fleet.Spec) container.NetworkMode {
	if spec.NetworkMode != "" {
		return container.NetworkMode(spec.NetworkMode)
	}
	if len(spec.Networks) > 0 {
		return container.NetworkMode(spec.Networks[0].Name)
	}
	return ""
}

// toEndpoint is how a container is on its first network. Engines before 25.0 take no
// others when they make it.
func toEndpoint(networks []fleet.Network) *network.NetworkingConfig {
	if len(networks) == 0 {
		return nil
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		networks[0].Name: {Aliases: networks[0].Aliases},
	}}
}

// ensureNetworks has the networks be there that a container needs.
func (e *Engine) ensureNetworks(ctx context.Context, want *brain.Create) error {
	e.making.Lock()
	defer e.making.Unlock()
	for i := range want.Spec.Networks {
		if err := e.ensureNetwork(ctx, &want.Spec.Networks[i], want.Labels); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) ensureNetwork(ctx context.Context, n *fleet.Network, labels map[string]string) error {
	var found network.Inspect
	look := func(ctx context.Context, cli *client.Client) error {
		var err error
		found, err = cli.NetworkInspect(ctx, n.Name, network.InspectOptions{})
		return err
	}
	err := e.call(ctx, look)
	if err != nil && strings.Contains(err.Error(), "is ambiguous") {
		if err = e.onlyOne(ctx, n.Name, labels); err == nil {
			err = e.call(ctx, look)
		}
	}
	if errdefs.IsNotFound(err) && !n.External {
		if err = e.makeNetwork(ctx, n, labels); errdefs.IsConflict(err) {
			err = nil // another container needed it at the same time
		}
		if err == nil {
			err = e.call(ctx, look)
		}
	}
	switch {
	case errdefs.IsNotFound(err) && n.External:
		return fmt.Errorf("this host has no network %s, and as an external one it isn't made: docker network create %s", n.Name, n.Name)
	case err != nil:
		return fmt.Errorf("make network %s: %s", n.Name, clean(err))
	case n.External:
		return nil
	}
	return fits(n, &found, labels)
}

// onlyOne removes networks of ours that have the same name as another one, as an engine
// may have made where it was asked again before it had answered.
func (e *Engine) onlyOne(ctx context.Context, name string, labels map[string]string) error {
	ours := filters.NewArgs(filters.Arg("name", name))
	for _, label := range []string{brain.LabelLineage, brain.LabelHost, brain.LabelProject} {
		ours.Add("label", label+"="+labels[label])
	}
	return e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		listed, err := cli.NetworkList(ctx, network.ListOptions{Filters: ours})
		if err != nil {
			return err
		}
		listed = slices.DeleteFunc(listed, func(n network.Summary) bool { return n.Name != name })
		used := slices.IndexFunc(listed, func(n network.Summary) bool {
			full, err := cli.NetworkInspect(ctx, n.ID, network.InspectOptions{})
			return err == nil && len(full.Containers) > 0
		})
		for i := range listed {
			if i != max(used, 0) {
				err = errors.Join(err, cli.NetworkRemove(ctx, listed[i].ID))
			}
		}
		return err
	})
}

// fits says why a network that is there isn't the one that is asked for.
func fits(n *fleet.Network, found *network.Inspect, labels map[string]string) error {
	for _, label := range []string{brain.LabelLineage, brain.LabelHost, brain.LabelProject} {
		if found.Labels[label] != labels[label] {
			return fmt.Errorf("the network %s is somebody else's, and is left alone: call it otherwise by its name:, or use it by external: true", n.Name)
		}
	}
	same := found.Internal == n.Internal && found.EnableIPv6 == n.IPv6
	for option, value := range n.Options {
		same = same && found.Options[option] == value
	}
	if !same {
		return fmt.Errorf("the network %s is there with other settings, which last as long as a container uses it: give it another name", n.Name)
	}
	return nil
}

func (e *Engine) makeNetwork(ctx context.Context, n *fleet.Network, labels map[string]string) error {
	own := volumeLabels(labels)
	own[brain.LabelHost] = labels[brain.LabelHost]
	err := e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		_, err := cli.NetworkCreate(ctx, n.Name, network.CreateOptions{
			Driver: "bridge", Internal: n.Internal, EnableIPv6: &n.IPv6, Options: n.Options, Labels: own,
		})
		return err
	})
	if err == nil {
		e.logger.Info("network made", "network", n.Name)
	}
	return err
}

// join has a new container be on all its networks, and tells it as it is then. The
// engine adds the container's short id to the aliases.
func (e *Engine) join(ctx context.Context, op *brain.Op, c brain.Container) brain.Result {
	networks := op.Create.Spec.Networks
	joined := false
	for i := range networks {
		if slices.Contains(c.Snapshot.Networks, networks[i].Name) {
			continue
		}
		if err := e.connectTo(ctx, c.ID, &networks[i]); err != nil {
			return failed(op, "create container", err)
		}
		joined = true
	}
	if joined {
		var err error
		if c, err = e.inspect(ctx, c.ID); err != nil {
			return failed(op, "inspect new container", err)
		}
	}
	r := done(op)
	r.Container = c
	return r
}

// connectTo adds a container to a network; already there: it is done.
func (e *Engine) connectTo(ctx context.Context, id string, n *fleet.Network) error {
	err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		return cli.NetworkConnect(ctx, n.Name, id, &network.EndpointSettings{Aliases: n.Aliases})
	})
	if err != nil {
		return fmt.Errorf("connect to network %s: %s", n.Name, clean(err))
	}
	return nil
}

// networkNamed is a stated network, or one of which nothing but its name is known.
func networkNamed(stated []fleet.Network, name string) *fleet.Network {
	for i := range stated {
		if stated[i].Name == name {
			return &stated[i]
		}
	}
	return &fleet.Network{Name: name}
}

// sweepNetworks removes the networks of ours that no container has, running or not.
// One that can't be removed now is met again after the next container.
func (e *Engine) sweepNetworks(ctx context.Context, lineage, host string) {
	if lineage == "" || host == "" {
		return
	}
	err := e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		ours := filters.NewArgs(filters.Arg("label", brain.LabelLineage+"="+lineage), filters.Arg("label", brain.LabelHost+"="+host))
		listed, err := cli.NetworkList(ctx, network.ListOptions{Filters: ours})
		if err != nil || len(listed) == 0 || !e.lockNetworks(ctx) {
			return err
		}
		defer e.networks.Unlock()
		for i := range listed {
			err = errors.Join(err, e.sweepNetwork(ctx, cli, &listed[i]))
		}
		return err
	})
	if err != nil {
		e.logger.Warn("networks that no container needs stay", "error", err)
	}
}

// lockNetworks waits a little while containers are made that may need one.
func (e *Engine) lockNetworks(ctx context.Context) bool {
	for range 40 {
		if e.networks.TryLock() {
			return true
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

func (e *Engine) sweepNetwork(ctx context.Context, cli *client.Client, n *network.Summary) error {
	// One that hasn't started yet is known by the network's name only.
	on := filters.NewArgs(filters.Arg("network", n.ID), filters.Arg("network", n.Name))
	users, err := cli.ContainerList(ctx, container.ListOptions{All: true, Filters: on})
	if err != nil || len(users) > 0 {
		return err
	}
	if err := cli.NetworkRemove(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	e.logger.Info("network removed: no container needs it", "network", n.Name)
	return nil
}
