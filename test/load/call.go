package load

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// phone makes gRPC calls until the run ends. A call is made once, though gRPC
// itself sends one anew of which the server has said that it wasn't begun.
func (g *Generator) phone(ctx context.Context, rec *recorder) {
	conn, err := grpc.NewClient("passthrough:///"+g.options.CallTarget, grpc.WithDisableRetry(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(encoded{})))
	if err != nil {
		rec.call("", err)
		return
	}
	defer conn.Close()
	for next := time.Now(); g.sleepUntil(ctx, next); next = next.Add(g.options.CallEvery) {
		version, err := g.callOnce(ctx, conn)
		if ctx.Err() != nil {
			return
		}
		rec.call(version, err)
	}
}

// callOnce returns the version that answered.
func (g *Generator) callOnce(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, g.options.Timeout)
	defer cancel()
	var header metadata.MD
	var answer []byte
	err := conn.Invoke(ctx, g.options.CallMethod, g.options.CallBody, &answer, grpc.Header(&header))
	return strings.Join(header.Get("x-version"), ","), err
}

// encoded is a codec for messages that are encoded already.
type encoded struct{}

func (encoded) Name() string { return "proto" }

func (encoded) Marshal(message any) ([]byte, error) {
	data, ok := message.([]byte)
	if !ok {
		return nil, fmt.Errorf("a message is %T, want bytes", message)
	}
	return data, nil
}

func (encoded) Unmarshal(data []byte, message any) error {
	to, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("a message goes into %T, want bytes", message)
	}
	*to = data
	return nil
}
