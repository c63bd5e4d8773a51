package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// closeTime bounds Close, and what Sweep spends on one fleet.
const closeTime = 60 * time.Second

// Fleet is a set of test hosts on one bridge. It is safe for concurrent use.
type Fleet struct {
	// Name is the fleet's name on this machine, which is also its bridge.
	Name string
	// Hub is this machine's own address on the bridge: what listens here is
	// reachable from every host.
	Hub string
	// Hosts are in the order of Options.Names.
	Hosts []*Host
	// Dir is for the caller's own files. It goes with the fleet, and so does
	// every program that was started from there.
	Dir string

	claim  claim
	logger *slog.Logger
	close  func() error
}

// New sweeps what dead owners left, then makes the bridge and the hosts. No
// engine runs yet. After an error nothing is left.
func New(ctx context.Context, options Options) (*Fleet, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	if err := checkMachine("ip", "iptables", "nsenter", "unshare", "dockerd", "containerd"); err != nil {
		return nil, err
	}
	logger := options.logger()
	c, err := newClaim(ctx, options.Dir, claim{Hosts: options.Names}, logger)
	if err != nil {
		return nil, err
	}
	f := &Fleet{Name: c.name(), Hub: c.hubAddress(), Dir: c.files(), claim: c, logger: logger}
	f.close = sync.OnceValue(f.tearDown)
	for i, name := range options.Names {
		f.Hosts = append(f.Hosts, newHost(c, i, name, logger))
	}
	if err := f.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build test hosts: %w", err), f.Close())
	}
	logger.Info("test hosts made", "fleet", f.Name, "hosts", len(f.Hosts), "hub", f.Hub)
	return f, nil
}

func (f *Fleet) build(ctx context.Context) error {
	if err := makeBridge(ctx, f.claim); err != nil {
		return err
	}
	for _, h := range f.Hosts {
		if err := h.build(ctx); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

// Host returns the host of that name, or nil.
func (f *Fleet) Host(name string) *Host {
	for _, h := range f.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// StartEngines starts the engines of all hosts at once and waits until all
// answer.
func (f *Fleet) StartEngines(ctx context.Context) error {
	return f.each(ctx, func(ctx context.Context, h *Host) error { return h.StartEngine(ctx) })
}

// LoadImage loads an image archive into the engines of all hosts at once.
func (f *Fleet) LoadImage(ctx context.Context, tarPath string) error {
	return f.each(ctx, func(ctx context.Context, h *Host) error { return h.LoadImage(ctx, tarPath) })
}

func (f *Fleet) each(ctx context.Context, do func(context.Context, *Host) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, h := range f.Hosts {
		group.Go(func() error {
			if err := do(ctx, h); err != nil {
				return fmt.Errorf("host %s: %w", h.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Close kills every process of every host and takes away all that the fleet
// made. It can be called more than once and takes at most a minute.
func (f *Fleet) Close() error { return f.close() }

func (f *Fleet) tearDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := f.claim.tearDown(ctx); err != nil {
		return fmt.Errorf("close test hosts %s: %w", f.Name, err)
	}
	for _, h := range f.Hosts {
		h.engine.reap()
	}
	f.logger.Info("test hosts gone", "fleet", f.Name)
	return nil
}

// EngineLogs returns the end of every engine's log, for a test that failed.
func (f *Fleet) EngineLogs() string {
	var b strings.Builder
	for _, h := range f.Hosts {
		b.WriteString("--- " + h.Name + "\n" + tail(h.engine.dockerdLog()) + "\n")
	}
	return b.String()
}

func checkMachine(tools ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("test hosts need root: run this with sudo")
	}
	for _, tool := range append(tools, "docker") {
		if _, err := lookTool(tool); err != nil {
			return fmt.Errorf("%s is missing: run packaging/dev/setup.sh test", tool)
		}
	}
	return nil
}
