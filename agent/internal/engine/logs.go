package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// maxTail bounds the lines that one call returns.
const maxTail = 10_000

// Logs returns the last lines of a container's output, standard output and
// standard error mixed as they were written. The reader ends where the log
// ends now, or with the context; it must be closed.
func (e *Engine) Logs(ctx context.Context, id string, tail int) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.WorkTimeout)
	cli, err := e.connect(ctx)
	var stream io.ReadCloser
	if err == nil {
		stream, err = openLogs(ctx, cli, id, min(max(tail, 1), maxTail))
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("read logs: %w", err)
	}
	return &demultiplexer{stream: stream, cancel: cancel}, nil
}

func openLogs(ctx context.Context, cli *client.Client, id string, tail int) (io.ReadCloser, error) {
	return cli.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(tail),
	})
}

// demultiplexer reads the engine's stream, in which each piece of output has
// a header of eight bytes: its source, three zeros, its length.
type demultiplexer struct {
	stream io.ReadCloser
	cancel context.CancelFunc
	left   uint32 // bytes of the current piece
}

func (d *demultiplexer) Read(p []byte) (int, error) {
	for d.left == 0 {
		var header [8]byte
		if _, err := io.ReadFull(d.stream, header[:]); err != nil {
			return 0, err
		}
		d.left = binary.BigEndian.Uint32(header[4:])
	}
	n, err := d.stream.Read(p[:min(uint64(len(p)), uint64(d.left))])
	d.left -= uint32(n)
	if errors.Is(err, io.EOF) && d.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (d *demultiplexer) Close() error {
	d.cancel()
	return d.stream.Close()
}
