package load

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Every call is counted, by the version that answered it, and once.
func TestCallers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var got atomic.Int64
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var said wrapperspb.StringValue
			if err := read(&said); err != nil || said.Value != "hi" {
				return nil, status.Errorf(codes.InvalidArgument, "heard %q, %v", said.Value, err)
			}
			if got.Add(1)%3 == 0 {
				return nil, status.Error(codes.Unavailable, "away")
			}
			return &said, grpc.SetHeader(ctx, metadata.Pairs("x-version", "2"))
		}}},
	}, nil)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	o := fast(serve(t, func(http.ResponseWriter, *http.Request) {}), 1_000_000)
	o.Rate = 1
	o.Callers, o.CallTarget, o.CallMethod, o.CallEvery = 2, listener.Addr().String(), "/test.Echo/Say", time.Millisecond
	o.CallBody = []byte("\x0a\x02hi")
	res := runUntil(t, o, func(r Result) bool { return r.Calls.Sent > 30 })
	calls := res.Calls
	if calls.Failed != int(got.Load())/3 || calls.Sent != int(got.Load()) || calls.ByVersion["2"] != calls.Sent-calls.Failed {
		t.Errorf("%d calls came: %+v", got.Load(), calls)
	}
	if res.Err() == nil || calls.ByError["rpc error: code = Unavailable desc = away"] != calls.Failed {
		t.Errorf("%v: %v", res.Err(), calls.ByError)
	}
}
