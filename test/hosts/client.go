package hosts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Client is the docker command line against one engine.
type Client struct {
	// DockerSocket is the path of the engine's socket.
	DockerSocket string
}

// Docker prepares a docker command against the engine, whatever the
// environment says about other engines.
func (c Client) Docker(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"--host", "unix://" + c.DockerSocket}, args...)...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "DOCKER_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	return cmd
}

// LoadImage loads an image archive into the engine.
func (c Client) LoadImage(ctx context.Context, tarPath string) error {
	if err := finish(c.Docker(ctx, "load", "--quiet", "--input", tarPath)); err != nil {
		return fmt.Errorf("load image: %w", err)
	}
	return nil
}
