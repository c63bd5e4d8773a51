package cluster

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/musterhq/muster/examples/rank/image"
	"github.com/musterhq/muster/test/hosts"
)

// LoadExample builds the images of versions of the leaderboard and of its store,
// and loads them into every engine.
func (c *Cluster) LoadExample(ctx context.Context, versions ...int) error {
	redis, err := image.Redis(ctx)
	if err != nil {
		return err
	}
	images := []hosts.Image{archive(redis)}
	for _, version := range versions {
		binary := filepath.Join(c.dir, fmt.Sprint("rank", version))
		if err := hosts.BuildGo(ctx, image.RankPackage(version), binary, fmt.Sprint("main.version=", version)); err != nil {
			return err
		}
		rank, err := image.Rank(version, binary)
		if err != nil {
			return err
		}
		images = append(images, archive(rank))
	}
	return c.load(ctx, images)
}

// LoadApps builds images of the test service, by their tags with their environments,
// and loads them everywhere.
func (c *Cluster) LoadApps(ctx context.Context, apps map[string][]string) error {
	binary := filepath.Join(c.dir, "app")
	if err := hosts.BuildGo(ctx, "github.com/musterhq/muster/test/app", binary); err != nil {
		return err
	}
	var images []hosts.Image
	for tag, env := range apps {
		images = append(images, hosts.Image{
			Tag: tag, Entrypoint: []string{"/app"}, Env: env, ExposedPorts: []string{"8080/tcp"},
			Files: map[string]hosts.File{"/app": {Source: binary, Mode: 0o755}},
		})
	}
	return c.load(ctx, images)
}

// load loads images into every host's engine.
func (c *Cluster) load(ctx context.Context, images []hosts.Image) error {
	tar := filepath.Join(c.dir, "images.tar")
	if err := hosts.WriteImage(tar, images...); err != nil {
		return err
	}
	if c.local != nil {
		var tags []string
		for _, img := range images {
			tags = append(tags, img.Tag)
		}
		return c.local.LoadImage(ctx, tar, tags...)
	}
	for _, name := range c.opts.Hosts {
		if err := c.Fleet.Host(name).LoadImage(ctx, tar); err != nil {
			return err
		}
	}
	return nil
}

func archive(img image.Image) hosts.Image {
	files := make(map[string]hosts.File, len(img.Files))
	for path, f := range img.Files {
		files[path] = hosts.File(f)
	}
	return hosts.Image{Tag: img.Tag, Files: files, Entrypoint: img.Entrypoint, Cmd: img.Cmd, Env: img.Env, ExposedPorts: img.ExposedPorts}
}
