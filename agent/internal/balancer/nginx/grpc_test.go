package nginx

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

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
)

// Calls and streams go through nginx while one instance drains in the middle
// of a stream, another comes, and nginx reloads: nothing is lost.
func TestGRPCLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	pool := newPool(t, "calls")
	pool.Routes[0].Protocol, pool.Check.Type = fleet.ProtocolGRPC, fleet.ProbeTCP
	a, b := newGRPCProgram(t, "a"), newGRPCProgram(t, "b")
	pool.Endpoints = []fleet.Endpoint{a.endpoint(fleet.EndpointReady), b.endpoint(fleet.EndpointReady)}
	r.apply(pool)
	r.ready(pool, "a")
	r.ready(pool, "b")
	calls := startCalls(t, address(pool), 8)
	rests := connect(t, address(pool))
	defer rests.Close()
	calls.call(rests)
	stays, ends := openTalk(t, address(pool), "a"), openTalk(t, address(pool), "a")
	poll(t, "both are called", func() bool { return calls.by("a") > 9 && calls.by("b") > 9 })

	c := newGRPCProgram(t, "c")
	pool.Endpoints = append(pool.Endpoints, c.endpoint(fleet.EndpointReady))
	r.apply(pool)
	r.ready(pool, "c")
	poll(t, "c is called", func() bool { return calls.by("c") > 9 })
	set(pool, "a", fleet.EndpointDraining)
	r.apply(pool)
	ends.end()
	began, before := time.Now(), calls.by("a")
	poll(t, "the stream that is left holds it back", func() bool {
		stays.say()
		if e := endpointOf(r.now(), pool.Service, "a"); e.Drained {
			t.Fatalf("%+v", e)
		}
		return time.Since(began) > sequence.MinDrain+time.Second
	})
	r.reload()
	sent := calls.sent.Load()
	poll(t, "enough is called after the reload", func() bool { return calls.sent.Load() > sent+99 })
	if len(r.pids().old) == 0 {
		t.Error("the old worker left its stream behind")
	}
	stays.say()
	if after := calls.by("a"); after != before {
		t.Errorf("it got %d calls while it drained", after-before)
	}
	stays.end()
	poll(t, "the old worker ends, though a client that rests was with it", func() bool { return len(r.pids().old) == 0 })
	r.drained(pool, "a")
	calls.call(rests)
	a.server.Stop()
	remove(pool, "a")
	r.apply(pool)
	calls.end()
}

// A version without the gRPC port serves HTTP beside one that has both.
func TestGRPCBesideAVersionWithoutIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := newPool(t, "web")
	old, both, calls := newProgram(t, "old"), newProgram(t, "both"), newGRPCProgram(t, "both")
	web.Endpoints = []fleet.Endpoint{old.endpoint(fleet.EndpointReady)}
	r.apply(web)
	r.ready(web, "old")

	next := both.endpoint(fleet.EndpointReady)
	next.Ports[9090] = calls.port
	web.Routes = append(web.Routes, fleet.Route{Target: 9090, Listen: []int{freePort(t)}, Protocol: fleet.ProtocolGRPC})
	web.Endpoints = append(web.Endpoints, next)
	r.apply(web)
	r.ready(web, "old")
	r.ready(web, "both")
	grpcOnly := *web
	grpcOnly.Routes = web.Routes[1:]
	some := startCalls(t, address(&grpcOnly), 2)
	poll(t, "the new one is called", func() bool { return some.by("both") > 99 })
	some.end()
	seen := map[string]bool{}
	poll(t, "both serve HTTP", func() bool {
		c := &client{address: address(web)}
		defer c.close()
		who, err := c.post("/")
		if err != nil {
			t.Fatal(err)
		}
		seen[who] = true
		return seen["old"] && seen["both"]
	})
}

const sayMethod, talkMethod = "/test.Echo/Say", "/test.Echo/Talk"

// grpcProgram answers calls with its name, and says in a stream what it hears.
type grpcProgram struct {
	id     string
	server *grpc.Server
	port   int
}

func newGRPCProgram(t testing.TB, id string) *grpcProgram {
	t.Helper()
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &grpcProgram{id: id, server: grpc.NewServer(), port: portOf(t, listener)}
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

func (p *grpcProgram) endpoint(state string) fleet.Endpoint {
	return (&program{id: p.id, port: p.port}).endpoint(state)
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
	poll(t, "a stream to "+id, func() bool {
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
