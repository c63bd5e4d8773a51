package rpc

import (
	"context"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/register"
)

const (
	storeTimeout = 2 * time.Second // for what one call asks of the store
	watchEvery   = time.Second     // between two looks at a board that is watched
	defaultTop   = 10
	maxTop       = 100
)

// Store is where the leaderboard is kept.
type Store interface {
	register.Board
	Get(ctx context.Context, name string) (board.Person, board.Standing, error)
	Top(ctx context.Context, n int) (entries []board.Entry, people int64, err error)
}

// Options are what the interface needs.
type Options struct {
	Board    Store
	Version  string
	Instance string
	Now      func() time.Time
	Log      *slog.Logger
}

// Server serves the interface.
type Server struct {
	UnimplementedLeaderboardServer
	Options
	register register.Register
	server   *grpc.Server
	stopping chan struct{} // closed when streams are to end
}

// New returns a server. It starts nothing.
func New(o Options) *Server {
	s := &Server{
		Options:  o,
		register: register.Register{Board: o.Board, Instance: o.Instance, Now: o.Now},
		stopping: make(chan struct{}),
	}
	s.server = grpc.NewServer(grpc.UnaryInterceptor(s.observeCall), grpc.StreamInterceptor(s.observeStream))
	RegisterLeaderboardServer(s.server, s)
	return s
}

// Serve answers calls until Shutdown. It returns nil after that.
func (s *Server) Serve(listener net.Listener) error { return s.server.Serve(listener) }

// Shutdown ends streams, accepts no more, and waits for the calls that run; when
// ctx ends first, it cuts them. It may be called once.
func (s *Server) Shutdown(ctx context.Context) error {
	close(s.stopping)
	cut := context.AfterFunc(ctx, s.server.Stop)
	s.server.GracefulStop()
	if !cut() {
		return ctx.Err()
	}
	return nil
}
