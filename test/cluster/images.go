package cluster

import (
	"context"
	"path/filepath"

	"github.com/musterhq/muster/examples/rank/image"
	"github.com/musterhq/muster/test/hosts"
)

// LoadExample builds the leaderboard's images and loads them into every engine.
func (c *Cluster) LoadExample(ctx context.Context) error {
	images, err := ExampleImages(ctx, c.dir)
	if err != nil {
		return err
	}
	for _, tar := range images {
		if err := c.LoadImage(ctx, tar); err != nil {
			return err
		}
	}
	return nil
}

// ExampleImages builds the leaderboard's images as archives in a folder.
func ExampleImages(ctx context.Context, dir string) ([]string, error) {
	binary := filepath.Join(dir, "rank")
	if err := hosts.BuildGo(ctx, "github.com/musterhq/muster/examples/rank", binary, "main.version=1"); err != nil {
		return nil, err
	}
	rank, err := image.Rank(binary)
	if err != nil {
		return nil, err
	}
	redis, err := image.Redis(ctx)
	if err != nil {
		return nil, err
	}
	var tars []string
	for name, img := range map[string]image.Image{"rank.tar": rank, "redis.tar": redis} {
		tar := filepath.Join(dir, name)
		if err := hosts.WriteImage(tar, archive(img)); err != nil {
			return nil, err
		}
		tars = append(tars, tar)
	}
	return tars, nil
}

// LoadImage loads an archive into every host's engine.
func (c *Cluster) LoadImage(ctx context.Context, tar string) error {
	if c.local != nil {
		return c.local.LoadImage(ctx, tar)
	}
	for _, name := range c.opts.Hosts {
		if err := c.Fleet.Host(name).LoadImage(ctx, tar); err != nil {
			return err
		}
	}
	return nil
}

// LoadApp builds the test service's image under a tag, with environment
// defaults, and loads it everywhere.
func (c *Cluster) LoadApp(ctx context.Context, tag string, env ...string) error {
	binary := filepath.Join(c.dir, "app")
	if err := hosts.BuildGo(ctx, "github.com/musterhq/muster/test/app", binary); err != nil {
		return err
	}
	tar := filepath.Join(c.dir, "app.tar")
	img := hosts.Image{
		Tag: tag, Entrypoint: []string{"/app"}, Env: env, ExposedPorts: []string{"8080/tcp"},
		Files: map[string]hosts.File{"/app": {Source: binary, Mode: 0o755}},
	}
	if err := hosts.WriteImage(tar, img); err != nil {
		return err
	}
	return c.LoadImage(ctx, tar)
}

func archive(img image.Image) hosts.Image {
	files := make(map[string]hosts.File, len(img.Files))
	for path, f := range img.Files {
		files[path] = hosts.File(f)
	}
	return hosts.Image{Tag: img.Tag, Files: files, Entrypoint: img.Entrypoint, Cmd: img.Cmd, Env: img.Env, ExposedPorts: img.ExposedPorts}
}
