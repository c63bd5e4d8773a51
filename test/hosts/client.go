package hosts

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
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

// Get reads a path of the engine's API, as JSON; false: there is no such thing.
func (c Client) Get(ctx context.Context, path string, into any) (bool, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.DockerSocket)
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine"+path, http.NoBody)
	if err != nil {
		return false, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return true, json.NewDecoder(response.Body).Decode(into)
	case http.StatusNotFound:
		return false, nil
	default:
		return false, fmt.Errorf("get %s: %s", path, response.Status)
	}
}

// LoadImage loads an image archive into the engine.
func (c Client) LoadImage(ctx context.Context, tarPath string) error {
	if err := finish(c.Docker(ctx, "load", "--quiet", "--input", tarPath)); err != nil {
		return fmt.Errorf("load image: %w", err)
	}
	return nil
}
