//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/test/cluster"
	"github.com/musterhq/muster/test/load"
)

// url is where the balancer offers a port.
func (p *project) url(port int) string {
	return fmt.Sprintf("http://%s:%d", p.c.Fleet.Host("web1").Address, port)
}

// answers asks the balancer n times and counts who answered.
func (p *project) answers(port, n int) map[string]int {
	p.Helper()
	out := map[string]int{}
	for range n {
		instance, err := ask(p.url(port))
		if err != nil {
			p.Fatal(err)
		}
		out[instance]++
	}
	return out
}

// under puts the project under load. Its end comes with Total, with Stop, or
// with the end of the test, however that ends.
func (p *project) under(options load.Options) (g *load.Generator, end <-chan load.Result) {
	p.Helper()
	g, err := load.New(options)
	if err != nil {
		p.Fatal(err)
	}
	done := make(chan load.Result, 1)
	go func() {
		result, _ := g.Run(p.Context()) // it is cut where the test ends before
		done <- result
	}()
	return g, done
}

// traffic asks the balancer all the time until it is stopped, and nothing
// twice.
func (p *project) traffic(port int) (stop func() (sent, failed int64, last error)) {
	var sent, failed atomic.Int64
	var last error // read after the end of the goroutine
	ctx, cancel := context.WithCancel(p.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			sent.Add(1)
			if _, err := ask(p.url(port)); err != nil {
				failed.Add(1)
				last = err
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() (int64, int64, error) {
		cancel()
		done.Wait()
		return sent.Load(), failed.Load(), last
	}
}

// direct makes a connection for each request.
var direct = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ask returns the instance that answered.
func ask(url string) (instance string, err error) {
	res, err := direct.Get(url)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	return res.Header.Get("X-Instance"), nil
}

// allAnswer waits until a number of instances answer on a port, and no request
// fails any more.
func (p *project) allAnswer(port, n int) {
	p.Helper()
	p.until(30*time.Second, "all answer", func() (bool, string) {
		answered := map[string]bool{}
		for range 5 * n {
			instance, err := ask(p.url(port))
			if err != nil {
				return false, err.Error()
			}
			answered[instance] = true
		}
		return len(answered) == n, fmt.Sprintf("%d answered", len(answered))
	})
}

// read reads messages of the broker as a client that nobody knows.
func (p *project) read(args ...string) (string, error) {
	p.Helper()
	return p.on("web3", "mosquitto_sub", append([]string{"-h", p.c.Fleet.Host(cluster.HubHost).Address, "-v"}, args...)...)
}
