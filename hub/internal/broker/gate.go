package broker

import "runtime"

// gate bounds how many connections have what they sent worked on at the same
// time. The scheduler shares the processors evenly among all that could run:
// without a gate, thousands of agents that send at once would leave the one
// goroutine that decides next to nothing, and the longer nobody is answered, the
// more agents give up and begin anew.
type gate chan struct{}

// gates are those of a broker. What a connection reads is in one of the first two at
// most.
type gates struct {
	// reading is for what takes no time: to find out what was sent, and to answer
	// signs of life, which so wait for nothing that takes longer.
	reading gate
	// working is for the rest. It lets enough through that a connection whose peer is
	// slow to take an answer doesn't hold up the others.
	working gate
	// writing is for what is sent, as far as the peer takes it at once: when thousands
	// are told something at once, who tells them isn't kept from going on.
	writing gate
}

func newGates() gates {
	n := runtime.GOMAXPROCS(0)
	return gates{reading: make(gate, n), working: make(gate, 4*n), writing: make(gate, n)}
}

// enter waits for the connection's turn at a gate, and leaves the one that it was
// in. It is the reading goroutine's, like leave.
func (c *conn) enter(g gate) {
	if c.in == g {
		return
	}
	c.leave()
	select {
	case g <- struct{}{}:
		c.in = g
	case <-c.closed: // what it still has to say is quickly said
	}
}

// leave ends the connection's turn.
func (c *conn) leave() {
	if c.in != nil {
		<-c.in
		c.in = nil
	}
}
