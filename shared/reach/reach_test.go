package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTry(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut.Close()
	given, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for _, test := range []struct {
		name       string
		ctx        context.Context
		address    string
		looked, ok bool
	}{
		{"somebody listens", context.Background(), open.Addr().String(), true, true},
		{"nobody listens", context.Background(), shut.Addr().String(), true, false},
		{"nobody answers in time", late, open.Addr().String(), true, false},
		{"given up", given, open.Addr().String(), false, false},
		{"a name", context.Background(), "localhost:80", false, false},
		{"no port", context.Background(), "127.0.0.1:x", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			looked, err := Try(test.ctx, test.address)
			if looked != test.looked || (err == nil) != test.ok {
				t.Errorf("looked %v, error %v", looked, err)
			}
		})
	}
}

// Who takes no more connections, like a machine without power, was looked at each
// time, though nothing comes back.
func TestTryWhoIsSilent(t *testing.T) {
	silent, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(silent)
	if err := errors.Join(syscall.Bind(silent, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(silent, 0)); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(silent)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	full := func() bool {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		return err != nil
	}
	for range 10 {
		if full() {
			break
		}
	}
	var looks sync.WaitGroup
	for i := range 200 {
		looks.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+i)*time.Millisecond)
			defer cancel()
			if looked, err := Try(ctx, address); !looked || err == nil {
				t.Errorf("looked %v, error %v", looked, err)
			}
		})
	}
	looks.Wait()
}

// What fails on this side says nothing about the other.
func TestAbout(t *testing.T) {
	dial := func(call string, errno syscall.Errno) error {
		return fmt.Errorf("try: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)})
	}
	for _, test := range []struct {
		err  error
		want bool
	}{
		{dial("connect", syscall.ECONNREFUSED), true},
		{dial("connect", syscall.EHOSTUNREACH), true},
		{dial("connect", syscall.ENETUNREACH), true},
		{dial("connect", syscall.ETIMEDOUT), true},
		{dial("socket", syscall.EMFILE), false},
		{dial("socket", syscall.ENFILE), false},
		{dial("connect", syscall.EADDRNOTAVAIL), false},
		{dial("connect", syscall.EPERM), false},
		{dial("connect", syscall.EAGAIN), false},
	} {
		if got := about(test.err); got != test.want {
			t.Errorf("%v: about the other side: %v", test.err, got)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.8.0.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.10": false, "web1": false, "localhost.example": false, "127.0.0.1:80": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}
