package broker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// pair is both ends of a connection.
func pair(t *testing.T, o Options, g gates) (*conn, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	inner, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(inner, &o, g)
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c, peer
}

func few() gates {
	return gates{reading: make(gate, 1), working: make(gate, 1), writing: make(gate, 1)}
}

func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// TLS answers its peer while it reads, as often as that wants it. One that takes
// nothing of it holds nobody else up, and is cut off.
func TestWhatTLSSaysByItselfHoldsNobodyUp(t *testing.T) {
	o, g := DefaultOptions(), few()
	o.WriteTimeout = 500 * time.Millisecond
	c, _ := pair(t, o, g)
	c.enter(g.reading)
	if n, err := c.raw.Write(make([]byte, 32<<20)); n != 32<<20 || err != nil {
		t.Fatal(n, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.raw.Read(make([]byte, 1))
		ended <- err
	}()
	soon(t, "it stays in the gate", func() bool { return len(g.reading) == 0 })
	if len(ended) > 0 {
		t.Fatal("it doesn't wait for the peer")
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if len(g.reading)+len(g.writing) != 0 {
		t.Error("it has kept a place")
	}
}

// A peer that is slow to take something leaves the gate to others meanwhile.
func TestASlowPeerLeavesTheGateForWriting(t *testing.T) {
	o, g := DefaultOptions(), few()
	o.WriteTimeout = 20 * time.Second
	c, slow := pair(t, o, g)
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, 32<<20))
		written <- err
	}()
	quick, peer := pair(t, o, g)
	go func() { _, _ = peer.Read(make([]byte, 1)) }()
	if _, err := slow.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	soon(t, "it stays in the gate", func() bool { return len(g.writing) == 0 })
	if len(written) > 0 {
		t.Fatal("it doesn't wait for the peer")
	}
	if _, err := quick.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	go func() { _, _ = slow.Read(make([]byte, 64<<20)); slow.Close() }()
	<-written
	if len(g.writing) != 0 {
		t.Error("it has kept a place")
	}
}

// What is read is worked on in a gate: to prove who it is in the one for work, and
// not while it has a turn for that, which has a bound of its own.
func TestWhatIsReadIsWorkedOnInAGate(t *testing.T) {
	g := few()
	c, peer := pair(t, DefaultOptions(), g)
	turns, ended := 0, 0
	c.raw.proving = true
	c.raw.turn = func() (func(), error) {
		turns++
		return func() { ended++ }, nil
	}
	read := func(want gate) {
		t.Helper()
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := c.raw.Read(make([]byte, 1)); n != 1 || err != nil || c.in != want {
			t.Fatal(n, err, c.in)
		}
	}
	read(nil)
	if turns != 1 || ended != 0 {
		t.Errorf("%d turns, %d ended", turns, ended)
	}
	read(g.working)
	if turns != 1 || ended != 1 {
		t.Errorf("%d turns, %d ended", turns, ended)
	}
	c.raw.proving = false
	read(g.reading)
	if len(g.working) != 0 {
		t.Error("it has kept a place")
	}
}

// The peer's time stands still while it waits for a gate: the bytes may be there.
func TestTheWaitForAGateIsNotThePeers(t *testing.T) {
	o, g := DefaultOptions(), few()
	c, peer := pair(t, o, g)
	_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond)) // as the library does before each packet
	g.reading <- struct{}{}
	time.AfterFunc(500*time.Millisecond, func() { <-g.reading })
	for range 2 {
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := c.raw.Read(make([]byte, 1)); n != 1 || err != nil || c.in != g.reading {
			t.Fatal(n, err, c.in)
		}
	}
	if _, err := c.raw.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("then it has no end: %v", err)
	}
}

// A peer that has gone may have said farewell before: writing to it in vain leaves
// that to be read.
func TestAFarewellIsReadAfterWritingInVain(t *testing.T) {
	c, peer := pair(t, DefaultOptions(), few())
	said := []byte("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04web1\xe0\x00") // CONNECT, DISCONNECT
	if _, err := peer.Write(said); err != nil {
		t.Fatal(err)
	}
	if err := peer.(*net.TCPConn).SetLinger(0); err != nil { // what it hasn't read resets the connection
		t.Fatal(err)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	soon(t, "writing fails", func() bool {
		if n, err := c.Write([]byte("x")); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		_, err := c.raw.Conn.Write([]byte("x"))
		return err != nil
	})
	c.enter(c.gates.reading)
	heard := make([]byte, len(said))
	if _, err := io.ReadFull(c, heard); err != nil || !bytes.Equal(heard, said) {
		t.Fatalf("%q, %v", heard, err)
	}
	if n, err := c.Read(heard); n != 0 || err == nil {
		t.Error(n, err)
	}
}
