package haproxy

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

// Balancer is one HAProxy. Want may be called from anywhere; everything else
// happens in Run.
type Balancer struct {
	options Options
	log     *slog.Logger
	master  socket
	runtime socket
	file    balancer.File
	wake    chan struct{}

	mu   sync.Mutex // guards want
	want []fleet.Pool

	// The rest belongs to Run.
	version   string // of the last worker that was seen
	fault     error  // why HAProxy couldn't be started last; nil: it could
	loaded    bool   // the file was read, and it is ours
	memory    sequence.Memory
	workers   []sequence.Worker // as last seen
	lead      sequence.Worker   // the master, as last seen
	listening map[int]bool      // ports of the current worker, as last seen
	starts    int
	started   time.Time
	busyFrom  time.Time
	rush      int    // turns in a row without a pause
	ended     string // the structure that HAProxy was loading when it ended last
	// unfinished: the last turn acted, and the next one is to see what came of it.
	unfinished bool
	reported   *fleet.BalancerActual
	ledger     ledger
	// certificates are the host's that pools ask for.
	certificates balancer.Certificates
}

// New returns a balancer that does nothing until Run.
func New(options Options) (*Balancer, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Balancer{
		options: options,
		log:     options.Logger,
		runtime: socket(options.global().RuntimeSocket),
		wake:    make(chan struct{}, 1),
	}
	b.master = socket(b.path("master.sock"))
	b.certificates = balancer.Certificates{Source: options.Certificates, Dir: b.path("certificates"), Log: options.Logger, Accepts: b.accepts}
	b.file = balancer.File{Path: b.path("haproxy.cfg"), Program: "haproxy"}
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
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run keeps HAProxy at what is wanted until ctx ends. HAProxy goes on then.
// Whatever is wrong with it is reported, and tried again: it is no error.
func (b *Balancer) Run(ctx context.Context) error {
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

// finish ends what a turn has begun, so that the file is left as the worker
// is: whoever comes next finds them alike.
func (b *Balancer) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	for turns := 0; b.unfinished && turns < maxRush; turns++ {
		b.step(ctx)
	}
}

// Stop ends HAProxy for good, with all connections. Run must have returned.
func (b *Balancer) Stop(ctx context.Context) error {
	pid, alive := b.running()
	if !alive {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop haproxy: %w", err)
	}
	for balancer.Pause(ctx, shortPause) {
		if _, alive := b.running(); !alive {
			return nil
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill haproxy: %w", err)
	}
	return nil
}

// Retire ends HAProxy for good: it takes no new connection, and those that are open
// may end within a time. Run must have returned.
func (b *Balancer) Retire(ctx context.Context, within time.Duration) error {
	pid, alive := b.running()
	if !alive {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ask haproxy to finish: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for balancer.Pause(waiting, shortPause) {
		if _, alive := b.running(); !alive {
			return nil
		}
	}
	return b.Stop(ctx)
}

func (b *Balancer) wanted() []fleet.Pool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.want
}

// publishCounts tells the agent what was counted.
func (b *Balancer) publishCounts() {
	if counts, news := b.ledger.news(b.options.Name, b.wanted(), time.Now()); news && b.options.Counted != nil {
		b.options.Counted(counts)
	}
}

// publish tells the agent what is new.
func (b *Balancer) publish(up bool, problem string, pools []fleet.PoolActual) {
	actual := fleet.BalancerActual{
		Name: b.options.Name, Driver: Driver, Version: b.version,
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
