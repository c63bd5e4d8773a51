package nginx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// target is an address to check, and how.
type target struct {
	server  sequence.ServerKey
	address string // as lbconf.ServerAddress writes it
}

type manner struct {
	http              bool
	path              string
	proxied           bool // the endpoint wants the PROXY protocol
	interval, timeout time.Duration
	rise, fall        int
}

// checker asks endpoints in turn whether they serve, one goroutine for each.
type checker struct {
	changed func() // must not block

	mu      sync.Mutex // guards the rest
	running map[target]*check
	workers sync.WaitGroup
}

type check struct {
	manner manner
	end    context.CancelFunc
	result string // of fleet.Check…; guarded by the checker's lock
}

func newChecker(changed func()) *checker {
	return &checker{changed: changed, running: map[target]*check{}}
}

// targets are the endpoints to check: those that are wanted, and those that the
// file has. One that is preparing isn't checked.
func targets(wanted, filed []fleet.Pool) map[target]manner {
	all := map[target]manner{}
	for _, pools := range [][]fleet.Pool{filed, wanted} {
		for _, pool := range pools {
			if pool.Removed {
				continue
			}
			sound, _ := lbconf.Sound(pool)
			for _, route := range sound.Routes {
				for _, endpoint := range sound.Endpoints {
					at := target{sequence.ServerKey{Service: pool.Service, Target: route.Target, Instance: endpoint.Instance}, lbconf.ServerAddress(endpoint, route.Target)}
					if !lbconf.OnRoute(endpoint, route) {
						continue
					}
					if endpoint.State == fleet.EndpointPreparing {
						delete(all, at)
						continue
					}
					all[at] = mannerOf(sound, route)
				}
			}
		}
	}
	return all
}

func mannerOf(pool fleet.Pool, route fleet.Route) manner {
	c := pool.Check
	m := manner{
		http: lbconf.ChecksHTTP(pool, route), path: c.Path, proxied: route.SendProxy,
		interval: c.Interval.Or(lbconf.DefaultCheckInterval), timeout: c.Timeout.Or(lbconf.DefaultCheckTimeout),
		rise: c.Rise, fall: c.Fall,
	}
	if m.path == "" {
		m.path = "/"
	}
	if m.rise == 0 {
		m.rise = lbconf.DefaultCheckRise
	}
	if m.fall == 0 {
		m.fall = lbconf.DefaultCheckFall
	}
	return m
}

// follow checks these, and no others any more.
func (c *checker) follow(all map[target]manner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, running := range c.running {
		if m, wanted := all[at]; !wanted || m != running.manner {
			running.end()
			delete(c.running, at)
		}
	}
	for at, m := range all {
		if c.running[at] != nil {
			continue
		}
		ctx, end := context.WithCancel(context.Background())
		one := &check{manner: m, end: end, result: fleet.CheckUnknown}
		c.running[at] = one
		c.workers.Go(func() { c.run(ctx, at, one) })
	}
}

// result is the outcome of a server's check at an address.
func (c *checker) result(server sequence.ServerKey, address string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.running[target{server, address}]; one != nil {
		return one.result
	}
	return fleet.CheckUnknown
}

func (c *checker) stop() {
	c.follow(nil)
	c.workers.Wait()
}

func (c *checker) run(ctx context.Context, at target, one *check) {
	m := one.manner
	ticker := time.NewTicker(max(m.interval, time.Millisecond))
	defer ticker.Stop()
	passed, failed := 0, 0
	for {
		switch err := try(ctx, at.address, m); {
		case err == nil:
			passed, failed = passed+1, 0
		case !ownFault(err):
			passed, failed = 0, failed+1
		}
		if ctx.Err() != nil {
			return
		}
		switch {
		case passed >= m.rise:
			c.set(one, fleet.CheckPassing)
		case failed >= m.fall:
			c.set(one, fleet.CheckFailing)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *checker) set(one *check, result string) {
	c.mu.Lock()
	news := one.result != result
	one.result = result
	c.mu.Unlock()
	if news {
		c.changed()
	}
}

// ownFault says whether a check came to nothing because of this machine, which says
// nothing of an endpoint: all of them would fail at once.
func ownFault(err error) bool {
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL},
		func(fault error) bool { return errors.Is(err, fault) })
}

// try checks once.
func try(ctx context.Context, at string, m manner) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	to, ok := serverAddress(at)
	if !ok {
		return fmt.Errorf("%q is no address", at)
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { connection.Close() })()
	if m.proxied {
		if _, err := fmt.Fprint(connection, "PROXY UNKNOWN\r\n"); err != nil {
			return err
		}
	}
	if !m.http {
		return nil
	}
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", m.path, to); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(connection, 4096).ReadSlice('\n')
	if err != nil {
		return err
	}
	version, rest, _ := strings.Cut(string(line), " ")
	if !strings.HasPrefix(version, "HTTP/1.") || len(rest) < 3 || rest[0] != '2' && rest[0] != '3' {
		return fmt.Errorf("it answers %.40q", line)
	}
	return nil
}
