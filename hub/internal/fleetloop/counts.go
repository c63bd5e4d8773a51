package fleetloop

import (
	"sync"

	"github.com/musterhq/muster/hub/turn"
)

// counts holds what hosts counted until a turn takes it in: the last word of
// each. The queue has one place for it, however much a host sends, so that counts
// never displace anything else.
type counts struct {
	mu      sync.Mutex // guards waiting
	waiting map[string]turn.MetricsIn
}

// count takes what a host counted, in the place of what still waits of it.
func (l *Loop) count(in turn.MetricsIn) {
	c := &l.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, waits := c.waiting[in.Host]; !waits && !l.put(item{counted: in.Host}) {
		return
	}
	if c.waiting == nil {
		c.waiting = map[string]turn.MetricsIn{}
	}
	c.waiting[in.Host] = in
}

// take returns what waits of a host.
func (c *counts) take(host string) turn.MetricsIn {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.waiting[host]
	delete(c.waiting, host)
	return in
}
