package flood

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a flood. Start from DefaultOptions.
type Options struct {
	Hub string // "host:port" of its broker
	// Sources are how many addresses it comes from. Each kind of attempt comes from
	// each of them.
	Sources int
	Idle    int // connections that say nothing
	// Rate is how many attempts a second are begun of each other kind.
	Rate int
	// Patience is how long an attempt waits for the hub.
	Patience time.Duration
}

// DefaultOptions are many at once and at a rate that the hub can't serve, while the
// flood itself leaves it most of the machine.
func DefaultOptions() Options {
	return Options{Sources: 4, Idle: 3000, Rate: 300, Patience: 5 * time.Second}
}

// Result counts what became of the attempts.
type Result struct {
	Idle       int64 // connections that said nothing
	Handshakes int64 // that were done, without a certificate
	Garbage    int64 // was sent behind a handshake
	Passwords  int64 // were refused
	Refused    int64 // connections that weren't served
	LetIn      int64 // there must be none
}

type flood struct {
	options Options
	next    atomic.Int64 // turns through the sources

	idle, handshakes, garbage, passwords, refused, letIn atomic.Int64
}

// Run floods until ctx is done.
func Run(ctx context.Context, o Options) Result {
	f := &flood{options: o}
	var all sync.WaitGroup
	for range o.Idle {
		all.Go(func() { f.sit(ctx) })
	}
	for _, attempt := range []func(*tls.Conn) bool{f.shake, f.babble, f.guess} {
		all.Go(func() { f.begin(ctx, attempt) })
	}
	all.Wait()
	return Result{
		Idle: f.idle.Load(), Handshakes: f.handshakes.Load(), Garbage: f.garbage.Load(),
		Passwords: f.passwords.Load(), Refused: f.refused.Load(), LetIn: f.letIn.Load(),
	}
}

func (f *flood) dial(ctx context.Context) (net.Conn, error) {
	source := net.IPv4(127, 200, 0, byte(1+f.next.Add(1)%int64(f.options.Sources)))
	dialer := net.Dialer{Timeout: f.options.Patience, LocalAddr: &net.TCPAddr{IP: source}}
	return dialer.DialContext(ctx, "tcp", f.options.Hub)
}

// sit connects again and again, and says nothing.
func (f *flood) sit(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := f.dial(ctx)
		if err == nil {
			end := context.AfterFunc(ctx, func() { _ = conn.Close() })
			began := time.Now()
			_, _ = conn.Read(make([]byte, 1)) // until the hub has had enough
			end()
			_ = conn.Close()
			if time.Since(began) > time.Second {
				f.idle.Add(1)
			} else {
				f.refused.Add(1)
			}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// begin begins attempts of a kind at the rate, and waits for all of them.
func (f *flood) begin(ctx context.Context, attempt func(*tls.Conn) bool) {
	var all sync.WaitGroup
	defer all.Wait()
	ticker := time.NewTicker(time.Second / time.Duration(f.options.Rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		all.Go(func() {
			if !f.try(ctx, attempt) {
				f.refused.Add(1)
			}
		})
	}
}

// try says whether the hub served an attempt.
func (f *flood) try(ctx context.Context, attempt func(*tls.Conn) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, f.options.Patience)
	defer cancel()
	conn, err := f.dial(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	secure := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) // a flood trusts anybody
	return secure.HandshakeContext(ctx) == nil && attempt(secure)
}

// shake leaves it at the handshake.
func (f *flood) shake(conn *tls.Conn) bool {
	f.handshakes.Add(1)
	_, _ = conn.Read(make([]byte, 1))
	return true
}

// babble sends what is no CONNECT, under its header.
func (f *flood) babble(conn *tls.Conn) bool {
	if _, err := conn.Write([]byte("\x10\xff\xff\xff\x7f garbage")); err != nil {
		return false
	}
	f.garbage.Add(1)
	_, _ = conn.Read(make([]byte, 1))
	return true
}

// guessed is a CONNECT of the user root with the password secret, as client x.
const guessed = "\x10\x1b\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01x\x00\x04root\x00\x06secret"

const connack = 0x20

// guess tries a password.
func (f *flood) guess(conn *tls.Conn) bool {
	if _, err := conn.Write([]byte(guessed)); err != nil {
		return false
	}
	answer := make([]byte, 4)
	if n, _ := conn.Read(answer); n == len(answer) && answer[0] == connack && answer[3] == 0 {
		f.letIn.Add(1)
		return true
	}
	f.passwords.Add(1)
	return true
}
