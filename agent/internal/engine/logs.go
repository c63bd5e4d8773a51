package engine

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/shared/fleet"
)

// maxTail bounds the lines that one call returns, unless it follows: then whoever reads
// has time.
const maxTail = 10_000

// Logs returns a container's output, standard output and standard error mixed as they
// were written: the last lines, and with Follow those that are written from then on. The
// reader ends where the log ends now, or when the container has ended, or with the
// context; it must be closed.
func (e *Engine) Logs(ctx context.Context, id string, q fleet.LogQuery) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(e.options.WorkTimeout, cancel)
	cli, err := e.connect(ctx)
	var stream io.ReadCloser
	terminal := false
	if err == nil {
		terminal, err = hasTerminal(ctx, cli, id)
	}
	if err == nil {
		stream, err = openLogs(ctx, cli, id, q)
	}
	if err != nil {
		late.Stop()
		cancel()
		return nil, fmt.Errorf("read logs: %w", err)
	}
	if q.Follow {
		late.Stop()
	}
	return &demultiplexer{stream: stream, cancel: func() { late.Stop(); cancel() }, stamps: q.Stamps, plain: terminal}, nil
}

// hasTerminal reports whether a container writes to one: then its output isn't in pieces.
func hasTerminal(ctx context.Context, cli *client.Client, id string) (bool, error) {
	c, err := cli.ContainerInspect(ctx, id)
	if err != nil {
		return false, err
	}
	return c.Config != nil && c.Config.Tty, nil
}

func openLogs(ctx context.Context, cli *client.Client, id string, q fleet.LogQuery) (io.ReadCloser, error) {
	tail := strconv.Itoa(min(max(q.Tail, 1), maxTail))
	if q.Follow && q.Tail == 0 {
		tail = "all"
	}
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: tail, Follow: q.Follow, Timestamps: q.Stamps}
	if !q.Since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", q.Since.Unix(), q.Since.Nanosecond())
	}
	return cli.ContainerLogs(ctx, id, options)
}
