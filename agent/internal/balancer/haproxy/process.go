package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
)

const (
	reloadTimeout = 15 * time.Second
	shortPause    = 20 * time.Millisecond
	secondLook    = 100 * time.Millisecond
)

// run carries out the HAProxy program and returns what it complained about
// as an error.
func (b *Balancer) run(ctx context.Context, args ...string) error {
	return b.Execute(ctx, alerts, nil, args...)
}

// alerts picks the lines that say what is wrong.
func alerts(output string) string {
	var picked []string
	for line := range strings.Lines(output) {
		if _, text, found := strings.Cut(line, "[ALERT]"); found {
			_, message, _ := strings.Cut(text, " : ")
			picked = append(picked, strings.TrimSpace(message))
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
	err := b.run(ctx, "-W", "-D", "-S", string(b.master)+",mode,600", "-p", b.Path("haproxy.pid"), "-f", b.File.Path)
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
		b.Log.Warn("another haproxy was started beside this one, which is asked to finish", "pid", b.lead.PID, "other", master)
		if err := syscall.Kill(b.lead.PID, syscall.SIGUSR1); err != nil {
			b.Log.Warn("haproxy not asked to finish", "pid", b.lead.PID, "error", err)
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
	pid, ok := b.Named("haproxy.pid")
	if !ok {
		return 0, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(args, []byte(b.File.Path)) {
		return 0, false
	}
	_, alive := balancer.WorkerOf(pid)
	return pid, alive
}
