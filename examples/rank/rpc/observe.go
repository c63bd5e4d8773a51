package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/musterhq/muster/examples/rank/board"
	"github.com/musterhq/muster/examples/rank/bodyfat"
)

// refusal is what a client is told. Where the store failed, the cause goes to
// the log: it names addresses, which are none of the client's business.
func (s *Server) refusal(err error) error {
	var field *bodyfat.FieldError
	switch {
	case errors.As(err, &field):
		return status.Error(codes.InvalidArgument, field.Error())
	case errors.Is(err, board.ErrNotFound):
		return status.Error(codes.NotFound, "nobody of that name is on the board")
	}
	s.Log.Error("store failed", "error", err)
	return status.Error(codes.Unavailable, "the store does not answer; try again in a moment")
}

// who names, in the headers of every answer, which instance of which version
// gave it.
func (s *Server) who() metadata.MD {
	return metadata.Pairs("x-version", s.Version, "x-instance", s.Instance)
}

func (s *Server) observeCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, call grpc.UnaryHandler) (any, error) {
	began := s.Now()
	if err := grpc.SetHeader(ctx, s.who()); err != nil {
		return nil, err
	}
	answer, err := call(ctx, request)
	s.answered(info.FullMethod, began, err)
	return answer, err
}

func (s *Server) observeStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, serve grpc.StreamHandler) error {
	began := s.Now()
	if err := stream.SetHeader(s.who()); err != nil {
		return err
	}
	err := serve(server, stream)
	s.answered(info.FullMethod, began, err)
	return err
}

func (s *Server) answered(method string, began time.Time, err error) {
	s.Log.Info("call answered", "method", method, "code", status.Code(err).String(), "took_ms", s.Now().Sub(began).Milliseconds())
}
