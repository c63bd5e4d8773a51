package broker

import (
	"net"
	"syscall"
)

// raw is a connection as the machine has it, below TLS. Where nothing is left to
// read, all that was read has been worked on.
type raw struct {
	net.Conn
	of     *conn
	socket syscall.RawConn // nil: it is none of the machine's
	// turn waits for the peer's to prove who it is, and returns what ends that. It
	// comes when the peer has said something: one that is silent takes no other's.
	// nil: it was had, or nothing has to be proved.
	turn     func() (answered func(), err error)
	answered func() // nil: it isn't its turn
}

func newRaw(inner net.Conn, of *conn) *raw {
	r := &raw{Conn: inner, of: of}
	if s, ok := inner.(syscall.Conn); ok {
		r.socket, _ = s.SyscallConn() // it fails for what is closed, and then so does all else
	}
	return r
}

// Read returns in a gate: to decrypt is work, too.
func (r *raw) Read(p []byte) (int, error) {
	r.endTurn()
	r.of.leave()
	n, err := r.Conn.Read(p)
	if r.turn != nil && n > 0 {
		turn := r.turn
		r.turn = nil
		answered, refused := turn()
		if refused != nil {
			return 0, refused
		}
		r.answered = answered
	}
	if r.answered != nil {
		r.of.enter(r.of.gates.working)
	} else {
		r.of.enter(r.of.gates.reading)
	}
	return n, err
}

func (r *raw) endTurn() {
	if r.answered != nil {
		r.answered()
		r.answered = nil
	}
}

// Write leaves the gate before it waits for a peer that is slow to take it.
func (r *raw) Write(p []byte) (int, error) {
	n, err := r.writeSome(p)
	if err != nil || n == len(p) {
		return n, err
	}
	r.of.endSending()
	rest, err := r.Conn.Write(p[n:])
	return n + rest, err
}

// writeSome writes what finds room at once.
func (r *raw) writeSome(p []byte) (n int, err error) {
	if r.socket == nil {
		return 0, nil
	}
	wrong := r.socket.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), p)
		return true
	})
	switch {
	case wrong != nil:
		return 0, wrong
	case err != nil:
		return 0, nil // the same attempt tells what is wrong, or waits
	}
	return n, nil
}
