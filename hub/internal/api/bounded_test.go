package api

import (
	"net"
	"testing"
	"time"
)

// A crowd that says nothing leaves room for others.
func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := newBounded(inner, 40, 8)
	accepted := make(chan net.Conn, 100)
	go func() {
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func(from string) (in bool) {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err = conn.Read(make([]byte, 1))
		failed, ok := err.(net.Error)
		return ok && failed.Timeout()
	}
	for i := range 12 {
		if in := dial("127.0.0.1"); in != (i < 8) {
			t.Errorf("number %d is in: %t", i, in)
		}
	}
	if !dial("127.0.0.2") {
		t.Error("another address isn't let in")
	}
	conn := <-accepted
	conn.Close()
	conn.Close() // counts once
	if !dial("127.0.0.1") || dial("127.0.0.1") {
		t.Error("one left, and not one came")
	}
	inner.Close()
	for conn := range accepted {
		conn.Close()
	}
	if listener.open != 0 || len(listener.by) != 0 {
		t.Errorf("%d are left, %v", listener.open, listener.by)
	}
}
