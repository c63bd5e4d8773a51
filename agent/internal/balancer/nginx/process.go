package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/lbconf"
)

const (
	reloadTimeout = 15 * time.Second
	startTimeout  = 5 * time.Second
	shortPause    = 20 * time.Millisecond
	secondLook    = 100 * time.Millisecond
)

// maxErrorLog bounds nginx's log of errors, in bytes: a longer one begins anew.
const maxErrorLog = 4 << 20

// run carries out the nginx program and returns what it complained about as an
// error.
func (b *Balancer) run(ctx context.Context, args ...string) error {
	args = append(args, "-p", b.Options.Dir)
	if b.program.version.AtLeast(lbconf.NginxVersion{1, 19, 5}) {
		args = append(args, "-e", b.Path(lbconf.NginxErrorLog))
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NGINX=") })
	return b.Execute(ctx, alerts, env, args...)
}

// alerts picks the lines that say what is wrong, without where the file is.
func alerts(output string) string {
	var picked []string
	for line := range strings.Lines(output) {
		_, message, found := strings.Cut(line, "[emerg] ")
		if !found || len(picked) == 3 {
			continue
		}
		if process, rest, found := strings.Cut(message, ": "); found && strings.Trim(process, "0123456789#") == "" {
			message = rest // that was which process and thread
		}
		if before, _, found := strings.Cut(message, " in /"); found {
			message = before
		}
		if message = strings.TrimSpace(message); !slices.Contains(picked, message) {
			picked = append(picked, message)
		}
	}
	if len(picked) == 0 {
		return "nginx failed"
	}
	return strings.Join(picked, "; ")
}

func (b *Balancer) launch(ctx context.Context) error {
	if err := b.run(ctx, "-c", b.File.Path); err != nil {
		return fmt.Errorf("start nginx: %w", err)
	}
	return nil
}

// reload makes the master start new workers from the file and waits until they
// have taken over: until one of them tells that it runs this file, and the
// former ones are shutting down. That the signal was sent proves nothing.
func (b *Balancer) reload(ctx context.Context, structure string) error {
	master, alive := b.master(ctx)
	if !alive {
		return fmt.Errorf("%w: it has just ended", errBusy)
	}
	log := b.errorLog()
	before := workersOf(master)
	if err := syscall.Kill(master, syscall.SIGHUP); err != nil {
		return fmt.Errorf("%w: ask it to reload: %w", errBusy, err)
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	for {
		says, err := b.ask(ctx)
		switch {
		case err == nil && says.structure == structure && !slices.ContainsFunc(before, serving) && !slices.ContainsFunc(before, func(w sequence.Worker) bool { return w.PID == says.pid }):
			b.replaced(before)
			return nil
		case b.gone(ctx): // workers without a master go on, and answer
			return errors.New("nginx ended while it reloaded")
		case err == nil && says.structure != structure:
			if said := log.since(); strings.Contains(said, "[emerg]") {
				return errors.New("reload nginx: " + alerts(said) + "; the old workers go on")
			}
		}
		if !balancer.Pause(ctx, shortPause) {
			return fmt.Errorf("reload nginx: the new workers did not take over within %s", reloadTimeout)
		}
	}
}

// replaced makes those who were there before a reload a generation of before.
func (b *Balancer) replaced(before []sequence.Worker) {
	g := b.current
	g.workers = slices.DeleteFunc(slices.Clone(before), b.former)
	if len(g.workers) > 0 {
		b.old = append(b.old, g)
	}
	b.current = generation{}
}

// serving says whether a worker is alive and takes connections.
func serving(worker sequence.Worker) bool {
	return isAlive(worker) && !strings.HasSuffix(titleOf(worker.PID), closingTitle)
}

// errorLog is nginx's log of errors from here on.
type errorLog struct {
	path string
	from int64
}

func (b *Balancer) errorLog() errorLog {
	l := errorLog{path: b.Path(lbconf.NginxErrorLog)}
	if stat, err := os.Stat(l.path); err == nil {
		l.from = stat.Size()
	}
	return l
}

// shortenLog begins the log of errors anew where it has become too long: clients that
// fail a handshake may fill it without any reload.
func (b *Balancer) shortenLog() {
	path := b.Path(lbconf.NginxErrorLog)
	if stat, err := os.Stat(path); err != nil || stat.Size() <= maxErrorLog {
		return
	}
	if err := os.Truncate(path, 0); err != nil {
		b.Log.Warn("nginx's log of errors not shortened", "error", err)
	}
}

func (l errorLog) since() string {
	file, err := os.Open(l.path)
	if err != nil {
		return ""
	}
	defer file.Close()
	data := make([]byte, 16<<10)
	n, _ := file.ReadAt(data, l.from)
	return string(data[:n])
}

// master is our nginx's, where it is alive: at a second look, too, before it
// counts as gone.
func (b *Balancer) master(ctx context.Context) (int, bool) {
	if b.lead.PID != 0 && isAlive(b.lead) {
		return b.lead.PID, true
	}
	if pid, alive := b.named(); alive {
		return pid, true
	}
	if b.lead.PID == 0 || !balancer.Pause(ctx, secondLook) {
		return b.named()
	}
	return b.named()
}

func (b *Balancer) gone(ctx context.Context) bool {
	_, alive := b.master(ctx)
	return !alive
}

// named says whether the master that the pid file names is alive, and ours.
func (b *Balancer) named() (int, bool) {
	pid, ok := b.Named(lbconf.NginxPIDFile)
	if !ok {
		return 0, false
	}
	title := titleOf(pid)
	if !strings.HasPrefix(title, masterTitle) || !strings.Contains(title, b.File.Path) {
		return 0, false
	}
	_, alive := balancer.WorkerOf(pid)
	return pid, alive
}

// orphans are our workers whose master is gone. Their standard error is our log,
// and they hold the ports.
func (b *Balancer) orphans() (pids []int) {
	master, _ := b.named()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !strings.HasPrefix(titleOf(pid), workerTitle) || parentOf(pid) == master && master != 0 {
			continue
		}
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", pid)); err == nil && link == b.Path(lbconf.NginxErrorLog) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func parentOf(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// dismiss has workers without a master finish: they take no connection any more.
// It returns once none of them holds a port.
func (b *Balancer) dismiss(ctx context.Context) error {
	orphans := b.orphans()
	if len(orphans) == 0 {
		return nil
	}
	b.Log.Warn("nginx's workers have lost their master, and are asked to finish", "pids", orphans)
	for _, pid := range orphans {
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ask a worker to finish: %w", err)
		}
	}
	if len(b.current.workers) > 0 {
		b.old = append(b.old, b.current)
		b.current = generation{}
	}
	b.follow(orphans)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for slices.ContainsFunc(orphans, func(pid int) bool {
		title := titleOf(pid)
		return strings.HasPrefix(title, workerTitle) && !strings.HasSuffix(title, closingTitle)
	}) {
		if !balancer.Pause(ctx, shortPause) {
			return errors.New("workers of a nginx that is gone don't finish; they hold the ports")
		}
	}
	return nil
}

// follow keeps workers without a master among the old ones: an agent that has just
// started doesn't know whom they still send to.
func (b *Balancer) follow(orphans []int) {
	strays := generation{}
	for _, pid := range orphans {
		worker, alive := balancer.WorkerOf(pid)
		if alive && !slices.ContainsFunc(b.old, func(g generation) bool { return g.has(worker) }) {
			strays.workers = append(strays.workers, worker)
		}
	}
	if len(strays.workers) > 0 {
		strays.id = strays.workers[0]
		b.old = append(b.old, strays)
	}
}
