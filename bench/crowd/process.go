package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// What a crowd can be ordered to do.
const (
	DoState  = "state"  // nothing but answer
	DoJoin   = "join"   // join with Token, before anything else; each crowd once
	DoCut    = "cut"    // break all connections, or every so many'th
	DoWatch  = "watch"  // begin to look for the slowest echo
	DoReport = "report" // have all report something new
)

// Order is a line of JSON on a crowd's standard input, and State the answer, on
// its standard output.
type Order struct {
	Do         string
	Generation uint64 // see State
	Token      string // of DoJoin
	Every      int    // of DoCut
}

// Serve runs the crowd until the orders end.
func (c *Crowd) Serve(orders io.Reader, answers io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	in, out := json.NewDecoder(orders), json.NewEncoder(answers)
	for {
		var order Order
		if err := in.Decode(&order); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		switch order.Do {
		case DoJoin:
			if err := c.Join(order.Token); err != nil {
				return fmt.Errorf("join: %w", err)
			}
		case DoCut:
			c.Cut(order.Every)
		case DoWatch:
			c.Watch()
		case DoReport:
			c.Report()
		}
		if err := out.Encode(c.State(order.Generation)); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// Process is a crowd in a process of its own.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	answer *json.Decoder
}

// Start starts a crowd's program. It ends with whoever started it.
func Start(ctx context.Context, program string, o Options) (*Process, error) {
	p := &Process{cmd: exec.CommandContext(ctx, program,
		"-hub", o.Hub, "-join", o.Join, "-first", fmt.Sprint(o.First), "-agents", fmt.Sprint(o.Agents))}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answer = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start agents: %w", err)
	}
	return p, nil
}

// Order has an order carried out and returns the state after it.
func (p *Process) Order(o Order) (State, error) {
	var s State
	err := json.NewEncoder(p.in).Encode(o)
	if err == nil {
		err = p.answer.Decode(&s)
	}
	if err != nil {
		return s, fmt.Errorf("order %s of the agents: %w", o.Do, err)
	}
	return s, nil
}

// Stop ends the crowd.
func (p *Process) Stop() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}
