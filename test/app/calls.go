package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// answerCalls serves test.Echo/Say, which answers with the instance's name, until the
// process ends.
func answerCalls(cfg config) error {
	listener, err := net.Listen("tcp", ":"+cfg.GRPCPort)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			return wrapperspb.String(cfg.Instance), read(&wrapperspb.StringValue{})
		}}},
	}, nil)
	go func() { _ = server.Serve(listener) }()
	return nil
}
