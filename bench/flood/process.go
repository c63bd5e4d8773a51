package flood

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// Serve floods until the input ends, and writes the result.
func Serve(o Options, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return json.NewEncoder(out).Encode(Run(ctx, o))
}

// Process is a flood in a process of its own.
type Process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

// Start starts a flood's program.
func Start(ctx context.Context, program string, o Options) (*Process, error) {
	p := &Process{cmd: exec.CommandContext(ctx, program, "-hub", o.Hub,
		"-sources", strconv.Itoa(o.Sources), "-idle", strconv.Itoa(o.Idle), "-rate", strconv.Itoa(o.Rate))}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a flood: %w", err)
	}
	return p, nil
}

// Stop ends the flood.
func (p *Process) Stop() (r Result, err error) {
	_ = p.in.Close()
	err = json.NewDecoder(p.out).Decode(&r)
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		return r, fmt.Errorf("end a flood: %w", err)
	}
	return r, nil
}
