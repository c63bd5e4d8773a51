package rpc

import (
	"cmp"
	"time"

	"github.com/musterhq/muster/examples/rank/serve"
)

// Beside makes the interface of a program that has it beside HTTP. Environment:
// LISTEN_GRPC (default :9090).
func Beside(service serve.Service) serve.Interface {
	s := New(Options{Board: service.Board, Version: service.Version, Instance: service.Instance, Now: time.Now, Log: service.Log})
	return serve.Interface{
		Name: "grpc", Listen: cmp.Or(service.Getenv("LISTEN_GRPC"), ":9090"),
		Serve: s.Serve, Shutdown: s.Shutdown,
	}
}
