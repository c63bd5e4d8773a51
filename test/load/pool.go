package load

import (
	"sync"
	"time"
)

// keepFor is how long a connection may rest before the client closes it
// itself. Like every client's it has to be shorter than the server's own
// limit (HAProxy's here is 10 s): at that very moment a request and the
// server's close may cross, whoever serves.
const keepFor = 8 * time.Second

// pool holds the kept connections that rest; the last one put back is used
// first, as in most clients.
type pool struct {
	mu     sync.Mutex // guards resting and closed
	rests  []*connection
	closed bool
}

// get returns a resting connection that the server hasn't closed, or nil, and
// how many were found closed.
func (p *pool) get() (conn *connection, reopened int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.rests) > 0 {
		last := p.rests[len(p.rests)-1]
		p.rests = p.rests[:len(p.rests)-1]
		if time.Since(last.rested) > keepFor {
			_ = last.Close()
			continue
		}
		if !last.closedByServer() {
			return last, reopened
		}
		_ = last.Close()
		reopened++
	}
	return nil, reopened
}

func (p *pool) put(conn *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = conn.Close()
		return
	}
	conn.rested = time.Now()
	p.rests = append(p.rests, conn)
}

// close closes what rests, and what is put back from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, conn := range p.rests {
		_ = conn.Close()
	}
	p.rests = nil
}
