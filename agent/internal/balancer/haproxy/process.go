package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
)

const (
	checkTimeout  = 30 * time.Second
	reloadTimeout = 15 * time.Second
	shortPause    = 20 * time.Millisecond
	secondLook    = 100 * time.Millisecond
)

// run carries out the HAProxy program and returns what it complained about
// as an error.
func (b *Balancer) run(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	// A file, because a daemon that inherited a pipe would hold it open.
	output, err := os.CreateTemp(b.options.Dir, "output-*")
	if err != nil {
		return fmt.Errorf("make a file for haproxy's output: %w", err)
	}
	defer os.Remove(output.Name())
	defer output.Close()
	command := exec.CommandContext(ctx, b.options.Binary, args...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	failed := command.Run()
	text, err := os.ReadFile(output.Name())
	if err != nil {
		return fmt.Errorf("read haproxy's output: %w", err)
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", alerts(text), failed)
	}
	return nil
}

// alerts picks the lines that say what is wrong.
func alerts(output []byte) string {
	var picked []string
	for line := range bytes.Lines(output) {
		if _, text, found := bytes.Cut(line, []byte("[ALERT]")); found {
			_, message, _ := bytes.Cut(text, []byte(" : "))
			picked = append(picked, string(bytes.TrimSpace(message)))
		}
		if len(picked) == 3 {
			break
		}
	}
	if len(picked) == 0 {
		return "haproxy failed"
	}
	return strings.Join(picked, "; ")
}

func (b *Balancer) launch(ctx context.Context) error {
	err := b.run(ctx, "-W", "-D", "-S", string(b.master)+",mode,600", "-p", b.path("haproxy.pid"), "-f", b.file.Path)
	if err != nil {
		return fmt.Errorf("start haproxy: %w", err)
	}
	return nil
}

// errEnded says that somebody or something ended HAProxy while it reloaded.
var errEnded = errors.New("haproxy ended while it reloaded")

// reload makes the master start a new worker from the file and waits until
// that worker has taken over. errBusy: it couldn't be asked.
func (b *Balancer) reload(ctx context.Context, structure string) error {
	before, err := b.processes(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	if _, err := b.master.ask(ctx, "reload"); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: ask it to reload: %w", errBusy, err)
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	for {
		now, err := b.processes(ctx)
		switch {
		case err == nil && now.current != 0 && now.current != before.current:
			if seen, err := b.observe(ctx); err == nil && seen.Structure == structure {
				return nil
			}
		case err == nil && now.failed > 0 && now.current == before.current:
			return errors.New("reload haproxy: the new worker did not start, the old one goes on")
		case err != nil && b.gone(ctx):
			return err
		}
		if !balancer.Pause(ctx, shortPause) {
			return fmt.Errorf("reload haproxy: the new worker did not take over within %s", reloadTimeout)
		}
	}
}

func (b *Balancer) processes(ctx context.Context) (processes, error) {
	text, err := b.master.ask(ctx, "show proc")
	if err != nil {
		return processes{}, err
	}
	return parseProcesses(text)
}

// running says whether our master is alive: the one that was seen last, which
// a reload leaves for a moment without arguments and without a pid file, or
// else the one that the pid file names.
func (b *Balancer) running() (int, bool) {
	if now, alive := balancer.WorkerOf(b.lead.PID); alive && now == b.lead {
		return b.lead.PID, true
	}
	return b.named()
}

// known keeps which process the master is, while it answers. Where somebody
// started another one beside it, from the same file, that has the sockets now:
// the former would go on listening with what it had then, and nobody could tell
// it better. It is asked to finish.
func (b *Balancer) known(master int) {
	now, alive := balancer.WorkerOf(master)
	if !alive || now == b.lead {
		return
	}
	if former, alive := balancer.WorkerOf(b.lead.PID); alive && former == b.lead {
		b.log.Warn("another haproxy was started beside this one, which is asked to finish", "pid", b.lead.PID, "other", master)
		if err := syscall.Kill(b.lead.PID, syscall.SIGUSR1); err != nil {
			b.log.Warn("haproxy not asked to finish", "pid", b.lead.PID, "error", err)
		}
	}
	b.lead = now
}

// gone says that there is no master, also at a second look: one that was never
// seen may be just between two files of its own.
func (b *Balancer) gone(ctx context.Context) bool {
	if _, alive := b.running(); alive || !balancer.Pause(ctx, secondLook) {
		return false
	}
	_, alive := b.running()
	return !alive
}

// named says whether the master that the pid file names is alive.
func (b *Balancer) named() (int, bool) {
	data, err := os.ReadFile(b.path("haproxy.pid"))
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(args, []byte(b.file.Path)) {
		return 0, false
	}
	_, alive := balancer.WorkerOf(pid)
	return pid, alive
}

func (b *Balancer) path(name string) string { return filepath.Join(b.options.Dir, name) }
