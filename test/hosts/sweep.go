package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep takes away all test hosts whose owner is dead, and leaves the others
// alone.
func Sweep(ctx context.Context, logger *slog.Logger) error {
	if os.Geteuid() != 0 {
		return errors.New("sweeping test hosts needs root: run this with sudo")
	}
	unlock, err := lockState(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return sweep(ctx, Options{Logger: logger}.logger())
}

// sweep is Sweep for a caller who holds the lock.
func sweep(ctx context.Context, logger *slog.Logger) error {
	all, err := claims()
	errs := []error{err}
	for _, c := range all {
		if c.Owner.alive() {
			continue
		}
		logger.Info("sweeping test hosts of a dead owner", "fleet", c.name(), "owner", c.Owner.PID)
		limited, cancel := context.WithTimeout(ctx, closeTime)
		if err := c.tearDown(limited); err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", c.name(), err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// tearDown takes away all that follows from a claim, then the claim itself.
// The claim stays when something failed, so that a later sweep tries again.
func (c claim) tearDown(ctx context.Context) error {
	errs := []error{killAll(ctx, c.processes()), c.clearEngine(ctx)}
	removeShimSockets(c.runDir())
	errs = append(errs, unmountBelow(c.runDir()), unmountBelow(c.Dir), c.removeNetwork(ctx))
	for _, host := range c.Hosts {
		errs = append(errs, removeCgroup(ctx, c.netns(host)))
	}
	errs = append(errs, os.RemoveAll(c.runDir()), os.RemoveAll(c.Dir))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.Remove(c.file())
}

// lockState guards the claims against other processes. The caller unlocks.
func lockState(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(stateDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock test hosts: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil // closing releases the lock
}

// owner is the process a fleet belongs to. Its start time tells it from a later
// process with the same number.
type owner struct {
	PID     int    `json:"pid"`
	Started string `json:"started"`
}

func self() owner { return owner{PID: os.Getpid(), Started: startTime(os.Getpid())} }

func (o owner) alive() bool { return o.Started != "" && startTime(o.PID) == o.Started }

// startTime is the 22nd field of /proc/PID/stat, in ticks since the boot; empty
// for a process that is gone.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is a name in brackets that may hold anything.
	_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// poll asks every interval until the answer is yes, an error, or ctx ends.
func poll(ctx context.Context, interval time.Duration, ask func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		done, err := ask()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
