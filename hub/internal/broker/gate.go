package broker

import "runtime"

// gate bounds how many connections have what they sent worked on at the same
// time. The scheduler shares the processors evenly among all that could run:
// without a gate, thousands of agents that send at once would leave the one
// goroutine that decides next to nothing, and the longer nobody is answered, the
// more agents give up and begin anew.
type gate chan struct{}

// newGate lets enough through that a connection whose peer is slow to take an
// answer doesn't hold up the others.
func newGate() gate { return make(gate, 4*runtime.GOMAXPROCS(0)) }

// enter waits for c's turn. It is the reading goroutine's, like leave.
func (g gate) enter(c *conn) {
	if c.entered {
		return
	}
	select {
	case g <- struct{}{}:
		c.entered = true
	case <-c.closed: // what it still has to say is quickly said
	}
}

// leave ends c's turn.
func (g gate) leave(c *conn) {
	if c.entered {
		c.entered = false
		<-g
	}
}
