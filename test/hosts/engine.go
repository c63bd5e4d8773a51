package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second
	// stopTimeout is above the 15 s that dockerd gives its containers.
	stopTimeout = 40 * time.Second
)

// engine is a dockerd with a containerd of its own. Without its own, dockerd
// would use the machine's containerd where one runs, and all engines would
// share their containers.
type engine struct {
	dir    string // on disk: images, containers, logs
	run    string // lost with the power: sockets, runtime state
	cgroup string
	// command prepares a program in the place where the engine belongs.
	command func(ctx context.Context, name string, args ...string) *exec.Cmd
	// settings are added to dockerd's configuration.
	settings map[string]any
	logger   *slog.Logger

	mu         sync.Mutex // guards the two below, and serialises start and stop
	dockerd    *process
	containerd *process
}

func newEngine(c claim, host string, logger *slog.Logger) *engine {
	return &engine{
		dir:    filepath.Join(c.Dir, host),
		run:    filepath.Join(c.runDir(), host),
		cgroup: c.netns(host),
		logger: logger,
	}
}

func (e *engine) socket() string           { return filepath.Join(e.run, "docker.sock") }
func (e *engine) containerdSocket() string { return filepath.Join(e.run, "containerd.sock") }
func (e *engine) dockerdLog() string       { return filepath.Join(e.dir, "dockerd.log") }
func (e *engine) containerdLog() string    { return filepath.Join(e.dir, "containerd.log") }

func (e *engine) start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	began := time.Now()
	if err := e.writeConfig(); err != nil {
		return fmt.Errorf("configure engine: %w", err)
	}
	if !e.containerd.running() {
		p, err := e.launch(e.containerdLog(), "containerd", "--config", e.containerdConfig())
		if err != nil {
			return fmt.Errorf("start containerd: %w", err)
		}
		e.containerd = p
	}
	if e.dockerd.running() {
		return nil
	}
	// A stale one names a process number that may be somebody else's by now.
	if err := os.RemoveAll(e.pidFile()); err != nil {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	p, err := e.launch(e.dockerdLog(), "dockerd", "--config-file", e.dockerdConfig())
	if err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	e.dockerd = p
	if err := e.awaitAnswer(ctx); err != nil {
		return fmt.Errorf("%w; dockerd said:\n%s\ncontainerd said:\n%s", err, tail(e.dockerdLog()), tail(e.containerdLog()))
	}
	e.logger.Info("engine started", "took", time.Since(began))
	return nil
}

func (e *engine) launch(logPath, name string, args ...string) (*process, error) {
	path, err := lookTool(name)
	if err != nil {
		return nil, err
	}
	// The engine outlives the call that starts it.
	cmd := e.command(context.Background(), path, args...)
	// Engines that look for a registry at each start of a Swarm service
	// would lose 20 s there.
	cmd.Env = append(os.Environ(), "DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1")
	return startProcess(cmd, logPath)
}

func (e *engine) awaitAnswer(ctx context.Context) error {
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		for _, p := range []*process{e.containerd, e.dockerd} {
			if !p.running() {
				return false, fmt.Errorf("%s ended: %w", filepath.Base(p.name), p.err)
			}
		}
		return answers(ctx, e.socket()), nil
	})
	if err != nil {
		return fmt.Errorf("wait for engine: %w", err)
	}
	return nil
}

// answers says whether an engine listens at the socket and is ready.
func answers(ctx context.Context, socket string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", http.NoBody)
	if err != nil {
		return false
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// stop ends dockerd, which stops its containers, then containerd.
func (e *engine) stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := e.dockerd.end(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop dockerd: %w; it said:\n%s", err, tail(e.dockerdLog()))
	}
	if err := e.containerd.end(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop containerd: %w; it said:\n%s", err, tail(e.containerdLog()))
	}
	return nil
}

func (e *engine) kill(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	if err := e.dockerd.end(ctx, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill dockerd: %w", err)
	}
	return nil
}

// halt stops dockerd where it stands. That takes hold when every thread has
// seen it.
func (e *engine) halt(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dockerd.running() {
		return errors.New("halt dockerd: it doesn't run")
	}
	if err := e.dockerd.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("halt dockerd: %w", err)
	}
	return poll(ctx, 5*time.Millisecond, func() (bool, error) { return standsStill(e.dockerd.cmd.Process.Pid), nil })
}

func (e *engine) resume() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dockerd.running() {
		return nil
	}
	return e.dockerd.cmd.Process.Signal(syscall.SIGCONT)
}

// reap waits for processes that were killed already.
func (e *engine) reap() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dockerd.reap()
	e.containerd.reap()
}

// clearRuntime takes away what an engine that died keeps outside its disk, as a
// boot would: else the next engine finds containers that aren't there.
func (e *engine) clearRuntime(ctx context.Context) error {
	removeShimSockets(filepath.Dir(e.run))
	state := []string{e.dockerState(), e.containerdState()}
	errs := []error{unmountBelow(e.dir), removeCgroup(ctx, e.cgroup)}
	for _, dir := range state {
		errs = append(errs, unmountBelow(dir), os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
