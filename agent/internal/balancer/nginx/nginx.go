package nginx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// Balancer is one nginx. Want may be called from anywhere; everything else
// happens in Run.
type Balancer struct {
	options Options
	log     *slog.Logger
	file    balancer.File
	wake    chan struct{}
	checker *checker
	ledger  *ledger
	// certificates are the host's that pools ask for; they belong to Run.
	certificates balancer.Certificates

	paceNew, paceOld pace

	mu   sync.Mutex // guards want
	want []fleet.Pool

	// The rest belongs to Run.
	program  installation
	running  string // the version that runs; empty: none was seen yet
	fault    error  // why nginx couldn't be started last; nil: it could
	loaded   bool   // the file was read, and it is ours
	memory   sequence.Memory
	current  generation
	old      []generation
	lead     sequence.Worker // the master, as last seen
	starts   int
	started  time.Time
	busyFrom time.Time
	rush     int // turns in a row without a pause
	// unfinished: the last turn acted, and the next one is to see what came of it.
	unfinished bool
	reported   *fleet.BalancerActual
}

// New returns a balancer that does nothing until Run.
func New(options Options) (*Balancer, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Balancer{options: options, log: options.Logger, wake: make(chan struct{}, 1), ledger: &ledger{}, paceNew: paceNew, paceOld: paceOld}
	b.file = balancer.File{Path: b.path("nginx.conf"), Program: "nginx"}
	b.checker = newChecker(b.nudge)
	b.certificates = balancer.Certificates{Source: options.Certificates, Dir: b.path("certificates"), Log: options.Logger, Accepts: b.accepts}
	return b, nil
}

// Want says which pools the balancer is to have: all of them. Nil is unknown
// and changes nothing. A pool that is left out stays as it is; one that is to
// go says Removed.
func (b *Balancer) Want(pools []fleet.Pool) {
	sorted := slices.Clone(pools)
	slices.SortFunc(sorted, sequence.ByService)
	b.mu.Lock()
	b.want = sorted
	b.mu.Unlock()
	b.nudge()
}

func (b *Balancer) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run keeps nginx at what is wanted until ctx ends. nginx goes on then.
// Whatever is wrong with it is reported, and tried again: it is no error.
func (b *Balancer) Run(ctx context.Context) error {
	defer b.checker.stop()
	defer b.ledger.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			b.finish(ctx)
			return nil
		case <-b.wake:
		case <-timer.C:
		}
		timer.Reset(b.step(ctx))
	}
}

// finish ends what a turn has begun, so that the file is left as the workers
// are: whoever comes next finds them alike.
func (b *Balancer) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	for turns := 0; b.unfinished && turns < maxRush; turns++ {
		b.step(ctx)
	}
}

// Stop ends nginx for good, with all connections. Run must have returned.
func (b *Balancer) Stop(ctx context.Context) error {
	defer clearLog(b.logDir())
	if err := b.end(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	for balancer.Pause(ctx, shortPause) {
		if b.over() {
			return nil
		}
	}
	return b.end(ctx, syscall.SIGKILL)
}

// Retire ends nginx for good: it takes no new connection, and those that are open
// may end within a time. Run must have returned.
func (b *Balancer) Retire(ctx context.Context, within time.Duration) error {
	if err := b.end(ctx, syscall.SIGQUIT); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for balancer.Pause(waiting, shortPause) {
		if b.over() {
			clearLog(b.logDir())
			return nil
		}
	}
	return b.Stop(ctx)
}

// end sends a signal to the master, and to workers that have none any more.
func (b *Balancer) end(ctx context.Context, signal syscall.Signal) error {
	var all error
	pids := b.orphans()
	if pid, alive := b.master(ctx); alive {
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			all = errors.Join(all, fmt.Errorf("end nginx: %w", err))
		}
	}
	return all
}

func (b *Balancer) over() bool {
	_, alive := b.named()
	return !alive && len(b.orphans()) == 0
}

func (b *Balancer) wanted() []fleet.Pool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.want
}

// publish tells the agent what is new.
func (b *Balancer) publish(up bool, problem string, pools []fleet.PoolActual) {
	version := b.running
	if version == "" && b.program.known() {
		version = b.program.version.String()
	}
	actual := fleet.BalancerActual{
		Name: b.options.Name, Driver: Driver, Version: version, Promise: b.promise(),
		Up: up, Problem: problem, Pools: pools,
	}
	if b.reported != nil && reflect.DeepEqual(*b.reported, actual) {
		return
	}
	b.reported = &actual
	if b.options.Report != nil {
		b.options.Report(actual)
	}
}
