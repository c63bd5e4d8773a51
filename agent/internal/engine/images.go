package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
)

// images lists what the engine has, and what containers are made from.
func (e *Engine) images(ctx context.Context, op *brain.Op) brain.Result {
	var listed []image.Summary
	var containers []container.Summary
	err := e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		var err error
		if listed, err = cli.ImageList(ctx, image.ListOptions{}); err != nil {
			return err
		}
		containers, err = cli.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return failed(op, "list images", err)
	}
	r := done(op)
	for i := range listed {
		r.Images = append(r.Images, brain.StoredImage{
			ID: listed[i].ID, Names: named(listed[i].RepoTags), Digests: named(listed[i].RepoDigests), Size: listed[i].Size,
			Used: slices.ContainsFunc(containers, func(c container.Summary) bool { return c.ImageID == listed[i].ID }),
		})
	}
	return r
}

// named leaves out what engines write where there is no name.
func named(references []string) []string {
	return slices.DeleteFunc(slices.Clone(references), func(reference string) bool { return strings.HasPrefix(reference, "<none>") })
}

// removeImage takes an image its names, and so the engine drops it. It never
// forces: one that a container is made from stays, and so does one that has got
// another name meanwhile.
func (e *Engine) removeImage(ctx context.Context, op *brain.Op) brain.Result {
	err := e.callWithin(ctx, e.options.WorkTimeout, func(ctx context.Context, cli *client.Client) error {
		for _, name := range op.Names {
			if _, err := cli.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true}); err != nil && !errdefs.IsNotFound(err) {
				return err
			}
		}
		left, err := cli.ImageInspect(ctx, op.Image)
		if err != nil {
			return err
		}
		if names := named(left.RepoTags); len(names) > 0 {
			return fmt.Errorf("somebody calls it %s, too", strings.Join(names, ", "))
		}
		_, err = cli.ImageRemove(ctx, op.Image, image.RemoveOptions{PruneChildren: true})
		return err
	})
	if err != nil && !errdefs.IsNotFound(err) {
		return failed(op, "remove image "+op.Image, err)
	}
	return done(op)
}

// has are the ids of the images that the engine has.
func (e *Engine) has(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		listed, err := cli.ImageList(ctx, image.ListOptions{All: true})
		for i := range listed {
			ids[listed[i].ID] = true
		}
		return err
	})
	return ids, err
}

// Root returns the directory in which the engine keeps what it has.
func (e *Engine) Root(ctx context.Context) (string, error) {
	var root string
	err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		info, err := cli.Info(ctx)
		root = info.DockerRootDir
		return err
	})
	if err == nil && root == "" {
		err = errors.New("the engine doesn't say")
	}
	if err != nil {
		return "", fmt.Errorf("ask for the engine's directory: %w", err)
	}
	return root, nil
}
