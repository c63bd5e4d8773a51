package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/musterhq/muster/shared/wire"
)

const (
	mqtt311      = 4
	refused      = 0x80            // a subscription's answer
	leaveTimeout = 2 * time.Second // for the DISCONNECT packet
	endTimeout   = 5 * time.Second // for the MQTT library's clean-up
)

// peer is the hub's broker at the other end of one connection. The MQTT
// library's client is used for this one connection only: its own way of
// reconnecting sends old messages again, in any order.
type peer struct {
	client mqtt.Client
	lost   chan error    // why the connection has ended, once
	gone   chan struct{} // closed when it has

	mu     sync.Mutex // guards the rest
	conn   net.Conn
	closed bool
}

// connect returns when the broker has accepted the client and all its
// subscriptions.
func (l *Link) connect(ctx context.Context, in *inbox, will string, payload []byte) (*peer, error) {
	ctx, cancel := context.WithTimeout(ctx, l.options.ConnectTimeout)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	l.workers.Go(func() {
		select {
		case <-l.stopping:
			cancel()
		case <-stop:
		}
	})
	p := &peer{lost: make(chan error, 1), gone: make(chan struct{})}
	p.client = mqtt.NewClient(l.clientOptions(ctx, p, in, will, payload))
	defer context.AfterFunc(ctx, p.closeConn)()
	// The end of ctx closes the connection, which ends the attempt.
	if err := wait(context.Background(), p.client.Connect(), l.options.ConnectTimeout+endTimeout); err != nil {
		p.closeConn()
		l.rejected(err)
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	if err := l.subscribe(ctx, p); err != nil {
		p.drop()
		return nil, err
	}
	return p, nil
}

func (l *Link) clientOptions(ctx context.Context, p *peer, in *inbox, will string, payload []byte) *mqtt.ClientOptions {
	full := sync.OnceFunc(func() {
		l.options.Logger.Warn("message of the hub dropped", "error", "the inbox is full", "limit", l.options.MaxInbox)
	})
	o := mqtt.NewClientOptions().
		AddBroker("tcp://"+l.address). // the connection is made by what follows
		SetClientID(l.options.Host).
		SetProtocolVersion(mqtt311).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true). // the handler never blocks
		SetStore(mqtt.NewOrderedMemoryStore()).
		SetKeepAlive(l.options.KeepAlive).
		SetPingTimeout(l.options.PingTimeout).
		SetConnectTimeout(l.options.ConnectTimeout).
		SetWriteTimeout(l.options.WriteTimeout).
		SetBinaryWill(will, payload, 1, true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			if !in.put(m.Topic(), m.Payload()) {
				full()
			}
		}).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			p.lost <- err
			close(p.gone)
		})
	if l.options.TLS == nil {
		o.SetUsername("agent:" + l.options.MachineID)
	} else {
		o.SetUsername(l.options.Host).SetPassword(l.options.MachineID)
	}
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		conn, err := l.dial(ctx)
		if err != nil {
			return nil, err
		}
		return p.opened(deadlineConn{Conn: conn, timeout: l.options.WriteTimeout})
	})
	return o
}

func (l *Link) subscribe(ctx context.Context, p *peer) error {
	host := l.options.Host
	token, ok := p.client.SubscribeMultiple(map[string]byte{
		wire.Host(host, wire.LeafDesired):        1,
		wire.Host(host, wire.LeafAck):            1,
		wire.Host(host, wire.LeafAsk):            1,
		wire.Host(host, wire.LeafPools) + "/+/+": 1,
	}, nil).(*mqtt.SubscribeToken)
	if !ok {
		return errors.New("subscribe at the hub: the token is of another kind")
	}
	if err := wait(ctx, token, l.options.ConnectTimeout); err != nil {
		return fmt.Errorf("subscribe at the hub: %w", err)
	}
	for filter, granted := range token.Result() {
		if granted == refused {
			return fmt.Errorf("subscribe at the hub: %s was refused", filter)
		}
	}
	return nil
}

// opened remembers the connection, so that it can be closed at any time.
func (p *peer) opened(conn net.Conn) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.Join(errors.New("the attempt was given up"), conn.Close())
	}
	p.conn = conn
	return conn, nil
}

func (p *peer) closeConn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.conn != nil {
		_ = p.conn.Close()
	}
}

// drop ends the connection without a farewell and waits for the end of the
// MQTT library's goroutines.
func (p *peer) drop() {
	p.closeConn()
	select {
	case <-p.gone:
	case <-time.After(endTimeout):
	}
}

// leave ends the connection in order: the broker forgets the Will.
func (p *peer) leave() {
	p.client.Disconnect(uint(leaveTimeout.Milliseconds()))
	p.closeConn()
}
