package balancer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

const (
	// maxBackoff bounds the pause between starts of a program that dies again.
	maxBackoff = 30 * time.Second
	// ExecuteTimeout bounds what a program is carried out for.
	ExecuteTimeout = 30 * time.Second
)

// Start brings up the program by begin, at once the first time and with growing
// pauses when it dies again.
func (c *Common) Start(ctx context.Context, begin func() error) error {
	if _, err := c.File.Intact(); err != nil {
		return err // what somebody else wrote isn't started
	}
	if time.Since(c.started) > 2*maxBackoff {
		c.starts = 0
	}
	if c.starts > 0 {
		wait := min(maxBackoff, 250*time.Millisecond<<min(c.starts-1, 10))
		if left := wait - time.Since(c.started); left > 0 {
			Pause(ctx, min(left, RetryPause))
			return nil
		}
	}
	c.starts++
	c.started = time.Now()
	c.fault = begin()
	return c.fault
}

// StartAtOnce has the next start wait for nothing.
func (c *Common) StartAtOnce() { c.starts = 0 }

// Execute carries out the program and returns what it complained about as an error,
// of which alerts picks the lines that say what is wrong. Nil env: the agent's own.
func (c *Common) Execute(ctx context.Context, alerts func(output string) string, env []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, ExecuteTimeout)
	defer cancel()
	// A file, because a daemon that inherited a pipe would hold it open.
	output, err := os.CreateTemp(c.Options.Dir, "output-*")
	if err != nil {
		return fmt.Errorf("make a file for %s's output: %w", c.File.Program, err)
	}
	defer os.Remove(output.Name())
	defer output.Close()
	command := exec.CommandContext(ctx, c.Options.Binary, args...)
	command.Stdout, command.Stderr = output, output
	command.Env = env
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	failed := command.Run()
	text, err := os.ReadFile(output.Name())
	if err != nil {
		return fmt.Errorf("read %s's output: %w", c.File.Program, err)
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", alerts(string(text)), failed)
	}
	return nil
}

// Named is the process that a pid file in the balancer's directory names, dead or alive.
func (c *Common) Named(pidFile string) (pid int, ok bool) {
	data, err := os.ReadFile(c.Path(pidFile))
	if err != nil {
		return 0, false
	}
	pid, err = strconv.Atoi(string(bytes.TrimSpace(data)))
	return pid, err == nil
}
