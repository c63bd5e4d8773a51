// Package engine carries out the brain's operations on the local container
// engine and reports what the engine has. It is the only importer of the
// Docker SDK, speaks the API from version 1.41 on (Engine 20.10), and touches
// no container that doesn't carry the label of the instance it works for.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// Options of an Engine. Zero values mean the defaults.
type Options struct {
	// Host is the engine's address, like "unix:///var/run/docker.sock";
	// empty: DOCKER_HOST, else the engine's default socket.
	Host string
	// Timeout bounds each call that the engine answers at once; 10 s.
	Timeout time.Duration
	// InspectTimeout bounds the same for one container of a listing: the others
	// wait for it; 2 s.
	InspectTimeout time.Duration
	// WorkTimeout bounds what makes the engine work: create, start, remove,
	// and a stop beyond its grace; 1 min.
	WorkTimeout time.Duration
	// PullTimeout bounds the transfer of an image; 10 min.
	PullTimeout time.Duration
	// Recheck is how long what is known of a container is trusted without an
	// event about it; 1 min.
	Recheck time.Duration
	Logger  *slog.Logger // nil: silence
}

// Engine is one container engine. It is safe for concurrent use.
type Engine struct {
	options Options
	logger  *slog.Logger
	known   cache

	mu     sync.Mutex     // guards client; never held during a call
	client *client.Client // nil: not connected; the API version is settled
	// networks is held for reading while a container is made that needs some, and for
	// writing while those go that no container needs.
	networks sync.RWMutex
	making   sync.Mutex // is held while a network is looked for and made: engines would make two of one name
	// settling is taken by the one caller that settles the API version.
	settling chan struct{}
}

// New prepares an engine. It starts nothing and connects to nothing.
func New(options Options) (*Engine, error) {
	if options.Timeout == 0 {
		options.Timeout = 10 * time.Second
	}
	if options.InspectTimeout == 0 {
		options.InspectTimeout = 2 * time.Second
	}
	if options.WorkTimeout == 0 {
		options.WorkTimeout = time.Minute
	}
	if options.PullTimeout == 0 {
		options.PullTimeout = 10 * time.Minute
	}
	if options.Recheck == 0 {
		options.Recheck = time.Minute
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{options: options, logger: options.Logger, known: newCache(), settling: make(chan struct{}, 1)}
	probe, err := e.newClient()
	if err != nil {
		return nil, fmt.Errorf("prepare engine client: %w", err)
	}
	return e, probe.Close()
}

// Ping returns nil when the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	return e.call(ctx, func(ctx context.Context, c *client.Client) error {
		_, err := c.Ping(ctx)
		return err
	})
}

// Version returns the engine's version, like "20.10.24".
func (e *Engine) Version(ctx context.Context) (string, error) {
	var version string
	err := e.call(ctx, func(ctx context.Context, c *client.Client) error {
		answer, err := c.ServerVersion(ctx)
		version = answer.Version
		return err
	})
	return version, err
}

// Close drops the connections. Calls that run end by their own context.
func (e *Engine) Close() error {
	e.drop(nil)
	return nil
}

// call runs one short exchange with the engine.
func (e *Engine) call(ctx context.Context, do func(context.Context, *client.Client) error) error {
	return e.callWithin(ctx, e.options.Timeout, do)
}

// callWithin runs an exchange that may take as long as limit. Its errors are
// for people: they say so when the engine doesn't answer.
func (e *Engine) callWithin(ctx context.Context, limit time.Duration, do func(context.Context, *client.Client) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := e.connect(bounded)
	if err == nil {
		err = do(bounded, c)
	}
	if err == nil {
		return nil
	}
	if client.IsErrConnectionFailed(err) {
		// The engine that comes back may be of another version.
		e.drop(c)
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &timeoutError{limit: limit, err: err}
	}
	return err
}

// connect returns a client that has settled the API version. One caller does
// so; the others wait, each no longer than its own context.
func (e *Engine) connect(ctx context.Context) (*client.Client, error) {
	if c := e.connected(); c != nil {
		return c, nil
	}
	select {
	case e.settling <- struct{}{}:
		defer func() { <-e.settling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := e.connected(); c != nil {
		return c, nil
	}
	c, err := e.newClient()
	if err != nil {
		return nil, err
	}
	ping, err := c.Ping(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.NegotiateAPIVersionPing(ping)
	e.mu.Lock()
	e.client = c
	e.mu.Unlock()
	e.logger.Info("engine connected", "engine", c.DaemonHost(), "api", c.ClientVersion())
	return c, nil
}

func (e *Engine) connected() *client.Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.client
}

// drop forgets the client if it is still the one that failed; nil: any.
func (e *Engine) drop(failed *client.Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client == nil || failed != nil && e.client != failed {
		return
	}
	_ = e.client.Close() // closes idle connections only
	e.client = nil
}

func (e *Engine) newClient() (*client.Client, error) {
	if e.options.Host != "" {
		return client.NewClientWithOpts(client.WithHost(e.options.Host))
	}
	return client.NewClientWithOpts(client.WithTLSClientConfigFromEnv(), client.WithHostFromEnv())
}

// timeoutError says that the engine took a call and didn't answer.
type timeoutError struct {
	limit time.Duration
	err   error
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("the engine did not answer within %v", e.limit)
}
func (e *timeoutError) Unwrap() error { return e.err }
