//go:build e2e && soak

package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/cluster"
)

// idle is the number of connections that say nothing.
const idle = 5000

// flood attacks the hub's doors without any credential, until it is stopped.
type flood struct {
	address string
	tried   atomic.Int64
	ended   sync.WaitGroup
	stop    context.CancelFunc
}

func (p *project) flood() *flood {
	ctx, cancel := context.WithCancel(p.Context())
	f := &flood{address: net.JoinHostPort(p.c.Fleet.Host(cluster.HubHost).Address, "8883"), stop: cancel}
	f.ended.Go(func() { f.idle(ctx) })
	for _, attack := range []func(context.Context){f.handshake, f.rubbish("\x10\xff\xff\xff\x7f"), f.rubbish("GET / HTTP/1.1\r\n\r\n"), f.oversized, f.guess} {
		f.ended.Go(func() {
			for ctx.Err() == nil {
				f.tried.Add(1)
				attack(ctx)
			}
		})
	}
	return f
}

func (f *flood) end() int64 {
	f.stop()
	f.ended.Wait()
	return f.tried.Load()
}

// idle opens connections and keeps as many open as it is let.
func (f *flood) idle(ctx context.Context) {
	var all []net.Conn
	defer func() {
		for _, conn := range all {
			conn.Close()
		}
	}()
	for ctx.Err() == nil {
		if len(all) >= idle {
			all[0].Close()
			all = all[1:]
		}
		if conn, err := net.DialTimeout("tcp", f.address, time.Second); err == nil {
			all = append(all, conn)
			f.tried.Add(1)
		}
	}
}

// secure is a connection without a certificate.
func (f *flood) secure(ctx context.Context) net.Conn {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", f.address)
	if err != nil {
		return nil
	}
	return conn
}

func (f *flood) handshake(ctx context.Context) {
	if conn := f.secure(ctx); conn != nil {
		conn.Close()
	}
}

// say writes something and waits for the end.
func (f *flood) say(conn net.Conn, what string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(what))
	_, _ = conn.Read(make([]byte, 1))
}

func (f *flood) rubbish(what string) func(context.Context) {
	return func(context.Context) {
		if conn, err := net.DialTimeout("tcp", f.address, time.Second); err == nil {
			f.say(conn, what)
		}
	}
}

// oversized announces a packet of 256 MB, behind the handshake.
func (f *flood) oversized(ctx context.Context) {
	if conn := f.secure(ctx); conn != nil {
		f.say(conn, "\x10\xff\xff\xff\x7f")
	}
}

// guess is a CONNECT of MQTT 3.1.1 with the user root and the password root.
func (f *flood) guess(ctx context.Context) {
	if conn := f.secure(ctx); conn != nil {
		f.say(conn, "\x10\x1b\x00\x04MQTT\x04\xc2\x00\x3c\x00\x03abc\x00\x04root\x00\x04root")
	}
}

// TestTrustFlood: who has no credential can't keep the fleet from going on.
func TestTrustFlood(t *testing.T) {
	p := begin(t, "flood") // beside nothing else: it takes the processors, too
	p.apply(web("app:1", 3, 9303))
	before, alive := p.containers(), p.sessions()
	scale := func() time.Duration {
		began := time.Now()
		p.mustMuster("scale", "flood/web=6", "--wait")
		p.mustMuster("scale", "flood/web=3", "--wait")
		return time.Since(began)
	}
	quiet := scale()
	f := p.flood()
	time.Sleep(3 * time.Second) // it gets under way
	attacked := scale()
	// An agent that comes back finds room beside the flood.
	p.stop("web3")
	p.start("web3")
	p.until(time.Minute, "web3 is back", func() (bool, string) {
		h := p.host("web3")
		return h.Status.State == fleet.HostUp, h.Status.State
	})
	tried := f.end()
	t.Logf("scaled up and down in %s, and in %s under attack (%.2f times; %d attempts)", quiet, attacked, attacked.Seconds()/quiet.Seconds(), tried)
	if tried < idle {
		t.Errorf("only %d attempts: that is no flood", tried)
	}
	for id, c := range before {
		if now, there := p.containers()[id]; there && now.Started != c.Started {
			t.Errorf("%s was restarted", c.Name)
		}
	}
	for host, n := range p.sessions() {
		if want := alive[host]; host != "web3" && n != want {
			t.Errorf("%s has connected %d times more", host, n-want)
		}
	}
	p.never(fleet.EventHostLost, fleet.EventInstanceExited)
}
