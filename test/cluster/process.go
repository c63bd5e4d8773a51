package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/musterhq/muster/test/hosts"
)

// stopAfter is how long a program may take to stop by itself.
const stopAfter = 15 * time.Second

// Process is one of Muster's programs on a test host. It can be started again
// after it was stopped or killed.
type Process struct {
	host    *hosts.Host // nil: this machine itself
	program string
	args    []string
	env     []string // besides this process's own
	log     string

	mu   sync.Mutex
	cmd  *exec.Cmd     // guarded by mu; nil: doesn't run
	done chan struct{} // guarded by mu; closed when cmd has ended
}

// Start starts the program, with extra arguments for this time.
func (p *Process) Start(_ context.Context, extra ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("%s runs already", p.program)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	// The program outlives the context of whoever starts it.
	cmd := p.command(append(append([]string(nil), p.args...), extra...))
	cmd.Env = append(cmd.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.program, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	return nil
}

// Exchange has the program of another folder run from the next start on.
func (p *Process) Exchange(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.program = filepath.Join(dir, filepath.Base(p.program))
}

func (p *Process) command(args []string) *exec.Cmd {
	if p.host != nil {
		return p.host.Command(context.Background(), p.program, args...)
	}
	cmd := exec.Command(p.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Pid is the program's process id; 0: it doesn't run.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// running forgets a program that has ended. The caller holds mu.
func (p *Process) running() bool {
	select {
	case <-p.done:
		p.cmd, p.done = nil, nil
	default:
	}
	return p.cmd != nil
}

// Kill ends the program the way a power cut would.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop asks the program to end, and kills it if it doesn't.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

// Wait waits until the program has ended by itself.
func (p *Process) Wait(limit time.Duration) error {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s still runs after %s", p.program, limit)
	}
}

func (p *Process) end(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return nil
	}
	err := p.cmd.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-p.done:
	case <-time.After(stopAfter):
		err = errors.Join(fmt.Errorf("%s didn't stop within %s", p.program, stopAfter), p.cmd.Process.Kill())
		<-p.done
	}
	p.cmd, p.done = nil, nil
	return err
}

// tail is the end of the program's log.
func (p *Process) tail(bytes int64) []byte {
	f, err := os.Open(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > bytes {
		_, _ = f.Seek(-bytes, 2)
	}
	out := make([]byte, bytes)
	n, _ := f.Read(out)
	return out[:n]
}
