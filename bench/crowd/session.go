package crowd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/wire"
)

// line is a connection. It ends at once: a farewell would wait for a peer that
// takes nothing.
type line struct {
	net.Conn
	tcp *net.TCPConn
}

func (l *line) Close() error { return l.tcp.Close() }

func (a *agent) dial(ctx context.Context) (*line, error) {
	dialer := net.Dialer{Timeout: a.options.Timeout, LocalAddr: &net.TCPAddr{IP: a.source}}
	conn, err := dialer.DialContext(ctx, "tcp", a.options.Hub)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(errors.New("the connection is of another kind"), conn.Close())
	}
	a.mu.Lock()
	config := a.tls
	a.mu.Unlock()
	if config == nil {
		return &line{Conn: tcp, tcp: tcp}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	secure := tls.Client(tcp, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return &line{Conn: secure, tcp: tcp}, nil
}

// serve is one session, from connecting to its end.
func (a *agent) serve(ctx context.Context) error {
	conn, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	reader := bufio.NewReaderSize(conn, 1<<10)
	if err := a.connect(conn, reader); err != nil {
		return err
	}
	a.begin(conn)
	for {
		kind, body, err := readPacket(reader)
		if err != nil {
			return err
		}
		if kind&maskKind != packetPublish {
			continue
		}
		topic, payload, err := message(kind, body)
		if err != nil {
			return err
		}
		a.hear(topic, payload)
	}
}

// begin says what a new session begins with.
func (a *agent) begin(conn *line) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn, a.began, a.echoedAt, a.acknowledged, a.askedAt = conn, time.Now(), time.Time{}, 0, time.Time{}
	a.sessions++
	a.sendPresence()
	a.sendActual()
	a.next = time.AfterFunc(a.options.Beat, func() { a.beat(conn) })
}

// connect returns when the hub has let the agent in and taken its subscriptions.
func (a *agent) connect(conn *line, reader *bufio.Reader) error {
	a.mu.Lock()
	a.session = random()
	will := a.seal(0, a.presence(fleet.PresenceLost))
	a.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(a.options.Timeout))
	user, password := "agent:"+a.facts.MachineID, ""
	if a.entry != nil {
		user, password = a.host, a.facts.MachineID
	}
	hello := connectPacket(a.host, user, password, wire.Host(a.host, wire.LeafPresence), will, uint16(a.options.KeepAlive.Seconds()))
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	kind, body, err := readPacket(reader)
	if err != nil {
		return err
	}
	if kind != packetConnack || len(body) != 2 || body[1] != 0 {
		return fmt.Errorf("the hub answers %#x %v", kind, body)
	}
	filters := subscribePacket(1, wire.Host(a.host, wire.LeafDesired), wire.Host(a.host, wire.LeafAck),
		wire.Host(a.host, wire.LeafAsk), wire.Host(a.host, wire.LeafPools)+"/+/+")
	if _, err := conn.Write(filters); err != nil {
		return err
	}
	for {
		kind, body, err := readPacket(reader)
		switch {
		case err != nil:
			return err
		case kind&maskKind == packetPublish: // what is retained may come first
			topic, payload, err := message(kind, body)
			if err != nil {
				return err
			}
			a.hear(topic, payload)
		case kind == packetSuback:
			for _, granted := range body[2:] {
				if granted == refused {
					return errors.New("the hub refuses a subscription")
				}
			}
			return conn.SetDeadline(time.Time{})
		}
	}
}

// beat gives a sign of life, repeats what isn't acknowledged, and gives up a
// hub that doesn't answer.
func (a *agent) beat(conn *line) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != conn {
		return
	}
	now := time.Now()
	if now.Sub(later(a.began, a.echoedAt)) > a.options.Watchdog {
		_ = conn.Close()
		return
	}
	a.sendPresence()
	wait := a.options.Resend
	if a.repeated {
		wait *= 2
	}
	if a.acknowledged < a.sequence && now.Sub(a.sentAt) >= wait {
		a.repeated = true
		a.resendActual()
	}
	a.next.Reset(a.options.Beat)
}

// hear takes a message of the hub's.
func (a *agent) hear(topic string, payload []byte) {
	_, leaf, rest, ok := wire.HostTopic(topic)
	if !ok || len(payload) == 0 {
		return
	}
	switch leaf {
	case wire.LeafAck:
		a.echo(payload)
	case wire.LeafDesired:
		a.accept(payload)
	case wire.LeafPools:
		a.acceptPool(rest, payload)
	}
}
