package broker

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// raw is a connection as the machine has it, below TLS. What is read from it is
// worked on in a gate. What is written to it waits for flush: TLS writes while it
// reads, too, when its peer wants that, and mustn't hold a gate up.
type raw struct {
	net.Conn
	of     *conn
	socket syscall.RawConn // nil: it is none of the machine's
	// Used by the reading goroutine alone.
	until time.Time // the deadline for reading
	// turn waits for the peer's to prove who it is, and returns what ends that. It
	// comes when the peer has said something: one that is silent takes no other's.
	// nil: it was had, or nothing has to be proved.
	turn     func() (answered func(), err error)
	answered func() // nil: it isn't its turn
	proving  bool   // that goes on: it takes longer than reading does

	mu      sync.Mutex // guards pending
	pending []byte
}

func newRaw(inner net.Conn, of *conn) *raw {
	r := &raw{Conn: inner, of: of}
	if s, ok := inner.(syscall.Conn); ok {
		r.socket, _ = s.SyscallConn() // it fails for what is closed, and then so does all else
	}
	return r
}

// Read returns in a gate, or in a turn, which has a bound of its own. The peer's time
// stands still while it waits for that.
func (r *raw) Read(p []byte) (int, error) {
	r.endTurn()
	r.of.leave()
	if err := r.of.flush(); err != nil {
		return 0, err
	}
	n, err := r.Conn.Read(p)
	if r.turn != nil && n > 0 {
		turn := r.turn
		r.turn = nil
		answered, refused := turn()
		if refused != nil {
			return 0, refused
		}
		r.answered = answered
		return n, err
	}
	began := time.Now()
	if r.proving {
		r.of.enter(r.of.gates.working)
	} else {
		r.of.enter(r.of.gates.reading)
	}
	if waited := time.Since(began); err == nil && waited > time.Millisecond && !r.until.IsZero() {
		_ = r.SetReadDeadline(r.until.Add(waited))
	}
	return n, err
}

func (r *raw) endTurn() {
	if r.answered != nil {
		r.answered()
		r.answered = nil
	}
}

func (r *raw) SetReadDeadline(t time.Time) error {
	r.until = t
	return r.Conn.SetReadDeadline(t)
}

// Write never waits.
func (r *raw) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, p...)
	return len(p), nil
}

func (r *raw) take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pending
	r.pending = nil
	return p
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
