package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Generator makes one run of load.
type Generator struct {
	options  Options
	client   *client
	pool     pool
	stopping chan struct{} // closed when no more requests should start
	stopOnce sync.Once
	ended    chan struct{} // closed when Run has returned

	open atomic.Int64 // requests that have begun and not ended

	mu       sync.Mutex // guards recorder and cut
	recorder *recorder
	cut      context.CancelFunc
}

// New returns a generator. It sends nothing.
func New(o Options) (*Generator, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	return &Generator{options: o, client: c, stopping: make(chan struct{}), ended: make(chan struct{})}, nil
}

// Run makes the load until Total requests are done, Stop is called, or ctx
// ends, which cuts what is in flight. It may be called once.
func (g *Generator) Run(ctx context.Context) (Result, error) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	rec := newRecorder(time.Now())
	g.mu.Lock()
	if g.recorder != nil {
		g.mu.Unlock()
		return Result{}, errors.New("run load: a generator runs once")
	}
	g.recorder, g.cut = rec, cut
	g.mu.Unlock()
	defer close(g.ended)

	var beside sync.WaitGroup
	for i := range g.options.IdleConns {
		beside.Go(func() { g.rest(ctx, rec, i) })
	}
	for range g.options.WebSockets {
		beside.Go(func() { g.talk(ctx, rec) })
	}
	for range g.options.Callers {
		beside.Go(func() { g.phone(ctx, rec) })
	}
	var requests sync.WaitGroup
	g.send(ctx, rec, &requests)
	requests.Wait()
	g.halt()
	beside.Wait()
	g.pool.close()
	return rec.snapshot(time.Now()), nil
}

// Stop starts no more requests and waits until Run has returned, at most until
// ctx ends: then what is still in flight is cut. It may be called at any time
// and more than once, but waits for a Run that was begun only.
func (g *Generator) Stop(ctx context.Context) error {
	g.halt()
	g.mu.Lock()
	cut := g.cut
	g.mu.Unlock()
	if cut == nil {
		return nil
	}
	select {
	case <-g.ended:
		return nil
	case <-ctx.Done():
		cut()
		<-g.ended
		return ctx.Err()
	}
}

// InFlight is how many requests have begun and not ended; Snapshot counts the
// others.
func (g *Generator) InFlight() int { return int(g.open.Load()) }

// Snapshot returns the counts so far.
func (g *Generator) Snapshot() Result {
	g.mu.Lock()
	rec := g.recorder
	g.mu.Unlock()
	if rec == nil {
		return Result{}
	}
	return rec.snapshot(time.Now())
}

func (g *Generator) halt() { g.stopOnce.Do(func() { close(g.stopping) }) }

// send starts each request when it is due, in a goroutine of its own.
func (g *Generator) send(ctx context.Context, rec *recorder, requests *sync.WaitGroup) {
	choose := rand.New(rand.NewPCG(g.options.Seed, 0))
	slots := make(chan struct{}, g.options.MaxInFlight)
	for i := range g.options.Total {
		due := rec.began.Add(time.Duration(float64(i) / g.options.Rate * float64(time.Second)))
		if !g.sleepUntil(ctx, due) {
			return
		}
		o := outcome{request: i, due: due}
		keep := choose.Float64() < g.options.KeepAliveShare
		var slow time.Duration
		if choose.Float64() < g.options.SlowShare {
			o.slow = true
			spread := float64(g.options.SlowMax - g.options.SlowMin)
			slow = g.options.SlowMin + time.Duration(choose.Float64()*spread)
		}
		select {
		case slots <- struct{}{}:
		default:
			o.err = errTooMany
			rec.add(o)
			continue
		}
		g.open.Add(1)
		requests.Go(func() {
			defer func() { g.open.Add(-1); <-slots }()
			g.request(ctx, &o, slow, keep)
			rec.add(o)
		})
	}
}

// errTooMany fails a request that was due while MaxInFlight others ran.
var errTooMany = errors.New("too many requests in flight")

// sleepUntil is false if the run should end instead.
func (g *Generator) sleepUntil(ctx context.Context, when time.Time) bool {
	select {
	case <-g.stopping:
		return false
	case <-ctx.Done():
		return false
	default:
	}
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-g.stopping:
		return false
	case <-ctx.Done():
		return false
	}
}

// request does one request of the load and fills its outcome in.
func (g *Generator) request(ctx context.Context, o *outcome, slow time.Duration, keep bool) {
	var conn *connection
	if keep {
		conn, o.reopened = g.pool.get()
		o.reused = conn != nil
	}
	if left := g.exchange(ctx, o, conn, slow, keep); left != nil {
		g.pool.put(left)
	}
}

// exchange sends one request over conn, or over a new connection if it is nil.
// It returns the connection if it can carry another request; else it is closed.
func (g *Generator) exchange(ctx context.Context, o *outcome, conn *connection, slow time.Duration, keep bool) *connection {
	limited, cancel := context.WithTimeout(ctx, g.options.Timeout+slow)
	defer cancel()
	defer func() {
		o.took = time.Since(o.due)
		o.cut = o.err != nil && ctx.Err() != nil
	}()
	if conn == nil {
		if conn, o.err = g.client.dial(limited); o.err != nil {
			return nil
		}
	}
	path := g.client.path(slow, g.options.SlowPath)
	got, err := g.client.post(limited, conn, path, keep)
	if g.options.Again && o.reused && closedUnanswered(err) {
		_ = conn.Close()
		o.again = true
		if conn, o.err = g.client.dial(limited); o.err != nil {
			return nil
		}
		got, err = g.client.post(limited, conn, path, keep)
	}
	o.err, o.instance, o.version = err, got.instance, got.version
	if !got.reusable {
		_ = conn.Close()
		return nil
	}
	return conn
}
