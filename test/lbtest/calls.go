package lbtest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterhq/muster/shared/fleet"
)

const sayMethod, talkMethod = "/test.Echo/Say", "/test.Echo/Talk"

// grpcProgram answers calls with its name, and says in a stream what it hears.
type grpcProgram struct {
	id     string
	server *grpc.Server
	Port   int
}

func newGRPCProgram(t testing.TB, id string) *grpcProgram {
	t.Helper()
	listener, err := net.Listen("tcp", Loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &grpcProgram{id: id, server: grpc.NewServer(), Port: portOf(t, listener)}
	p.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			return wrapperspb.String(id), read(&wrapperspb.StringValue{})
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Talk", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			if err := stream.SendMsg(wrapperspb.String(id)); err != nil {
				return err
			}
			var heard wrapperspb.StringValue
			for stream.RecvMsg(&heard) == nil { // the client ends it
				if err := stream.SendMsg(&heard); err != nil {
					return err
				}
			}
			return nil
		}}},
	}, nil)
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(p.server.Stop)
	return p
}

func (p *grpcProgram) Endpoint(state string) fleet.Endpoint {
	return (&Program{ID: p.id, Port: p.Port}).Endpoint(state)
}

func connect(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// calls is a crowd of clients that call one after the other, each over one
// connection that it keeps.
type calls struct {
	t    testing.TB
	stop chan struct{}
	done sync.WaitGroup
	sent atomic.Int64

	mu     sync.Mutex // guards what follows
	who    map[string]int
	failed map[string]int
}

func startCalls(t testing.TB, address string, clients int) *calls {
	c := &calls{t: t, stop: make(chan struct{}), who: map[string]int{}, failed: map[string]int{}}
	for range clients {
		conn := connect(t, address)
		c.done.Go(func() {
			defer conn.Close()
			for pace := time.NewTicker(5 * time.Millisecond); ; <-pace.C {
				select {
				case <-c.stop:
					return
				default:
				}
				c.call(conn)
			}
		})
	}
	return c
}

func (c *calls) call(conn *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var who wrapperspb.StringValue
	err := conn.Invoke(ctx, sayMethod, wrapperspb.String("hi"), &who)
	c.sent.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed[err.Error()]++
		return
	}
	c.who[who.Value]++
}

func (c *calls) by(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who[id]
}

// end stops the crowd and wants every call answered.
func (c *calls) end() {
	c.t.Helper()
	close(c.stop)
	c.done.Wait()
	c.t.Logf("%d calls: %v", c.sent.Load(), c.who)
	if len(c.failed) > 0 {
		c.t.Errorf("of %d calls failed %v", c.sent.Load(), c.failed)
	}
}

// talk is a stream that stays open.
type talk struct {
	t      testing.TB
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	said   int
}

// openTalk opens streams until one is with the instance.
func openTalk(t testing.TB, address, id string) *talk {
	t.Helper()
	conn := connect(t, address)
	t.Cleanup(func() { conn.Close() })
	var with *talk
	Poll(t, "a stream to "+id, func() bool {
		ctx, cancel := context.WithCancel(context.Background())
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, talkMethod)
		if err != nil {
			t.Fatal(err)
		}
		var who wrapperspb.StringValue
		if err := stream.RecvMsg(&who); err != nil {
			t.Fatal(err)
		}
		if who.Value != id {
			cancel()
			return false
		}
		t.Cleanup(cancel)
		with = &talk{t: t, conn: conn, stream: stream}
		return true
	})
	return with
}

// say wants back what it says.
func (s *talk) say() {
	s.t.Helper()
	s.said++
	text := fmt.Sprint("message ", s.said)
	var heard wrapperspb.StringValue
	if err := s.stream.SendMsg(wrapperspb.String(text)); err != nil {
		s.t.Fatal(err)
	}
	if err := s.stream.RecvMsg(&heard); err != nil || heard.Value != text {
		s.t.Fatalf("said %q, heard %q, %v", text, heard.Value, err)
	}
}

// end ends the stream as its client does, and wants it well ended.
func (s *talk) end() {
	s.t.Helper()
	s.say()
	if err := s.stream.CloseSend(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.stream.RecvMsg(&wrapperspb.StringValue{}); err == nil || err.Error() != "EOF" {
		s.t.Fatal(err)
	}
	s.conn.Close()
}
