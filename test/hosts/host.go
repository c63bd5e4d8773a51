package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// killTime bounds how long a host's processes may take to die.
const killTime = 20 * time.Second

// Host is one test host. It is safe for concurrent use.
type Host struct {
	// Docker and LoadImage come with the host's engine.
	Client
	Name    string
	Address string
	// NetNS is the path of the host's network namespace.
	NetNS string
	// Dir is a directory for the host's own files. It survives a power cut
	// and goes with the fleet.
	Dir string

	claim  claim
	index  int
	engine *engine
}

func newHost(c claim, index int, name string, logger *slog.Logger) *Host {
	h := &Host{
		Name:    name,
		Address: c.address(firstHostAddress + index),
		NetNS:   filepath.Join(netnsDir, c.netns(name)),
		Dir:     filepath.Join(c.Dir, name),
		claim:   c,
		index:   index,
	}
	h.engine = newEngine(c, name, logger.With("host", name))
	h.engine.command = h.Command
	h.Client = Client{DockerSocket: h.engine.socket()}
	return h
}

// build makes what a power cut takes away: the network and the UTS namespace.
func (h *Host) build(ctx context.Context) error {
	if err := makeNetns(ctx, h.claim, h.index, h.Name); err != nil {
		return err
	}
	if err := os.MkdirAll(h.engine.run, 0o700); err != nil {
		return fmt.Errorf("make run directory: %w", err)
	}
	if err := os.WriteFile(h.uts(), nil, 0o600); err != nil {
		return fmt.Errorf("make uts file: %w", err)
	}
	return run(ctx, "unshare", "--uts="+h.uts(), "hostname", h.Name)
}

func (h *Host) uts() string { return filepath.Join(h.engine.run, "uts") }

// Command prepares a program that runs on the host: in its network and with its
// host name, on this machine's files. The process is the program itself, in a
// process group of its own, and dies with the host.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{"--net=" + h.NetNS, "--uts=" + h.uts(), "--", name}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	if path, err := lookTool("nsenter"); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// StartEngine starts the engine, as far as it doesn't run, and waits until it
// answers.
func (h *Host) StartEngine(ctx context.Context) error { return h.engine.start(ctx) }

// StopEngine stops the engine as a service manager does: its containers are
// stopped first.
func (h *Host) StopEngine(ctx context.Context) error { return h.engine.stop(ctx) }

// KillEngine kills dockerd alone. The containers stay until dockerd starts
// again, which stops them.
func (h *Host) KillEngine(ctx context.Context) error { return h.engine.kill(ctx) }

// HaltEngine has dockerd stand still: it neither answers nor ends, and its
// containers go on.
func (h *Host) HaltEngine(ctx context.Context) error { return h.engine.halt(ctx) }

// ResumeEngine lets a halted dockerd go on.
func (h *Host) ResumeEngine() error { return h.engine.resume() }

// KillAll kills every process of the host: the engine, its containers and
// whatever Command started. Their connections end as the kernel ends those of
// any killed process; for a silent death use PowerCut.
func (h *Host) KillAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	if err := killAll(ctx, h.claim.hostProcesses(h.Name)); err != nil {
		return fmt.Errorf("kill host %s: %w", h.Name, err)
	}
	h.engine.reap()
	if err := h.engine.clearRuntime(ctx); err != nil {
		return fmt.Errorf("clear host %s: %w", h.Name, err)
	}
	return nil
}

// LinkDown pulls the host's cable: packets vanish both ways.
func (h *Host) LinkDown(ctx context.Context) error {
	return setLink(ctx, h.claim.veth(h.index), "down")
}

// LinkUp plugs the cable in again.
func (h *Host) LinkUp(ctx context.Context) error {
	return setLink(ctx, h.claim.veth(h.index), "up")
}

// PowerCut is the host's sudden death: nobody gets a last packet from it, and
// all that isn't on its disk is lost.
func (h *Host) PowerCut(ctx context.Context) error {
	if err := h.LinkDown(ctx); err != nil {
		return err
	}
	if err := h.KillAll(ctx); err != nil {
		return err
	}
	err := errors.Join(unmountBelow(h.engine.run), removeNetns(ctx, h.claim, h.index, h.Name), os.RemoveAll(h.engine.run))
	if err != nil {
		return fmt.Errorf("cut power of host %s: %w", h.Name, err)
	}
	return nil
}

// Boot starts the host again after PowerCut, with its engine. The kernel and
// its boot id stay those of this machine.
func (h *Host) Boot(ctx context.Context) error {
	if err := h.build(ctx); err != nil {
		return fmt.Errorf("boot host %s: %w", h.Name, err)
	}
	return h.StartEngine(ctx)
}
