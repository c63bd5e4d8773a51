// Command load sends requests to a service at a constant rate, never retries,
// and exits 1 if any failed. See package load.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/musterhq/muster/test/load"
)

// lastWait is how long requests in flight may take after the first signal.
const lastWait = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o := load.DefaultOptions("")
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.URL, "url", "http://127.0.0.1:8080/", "where requests go")
	flags.Float64Var(&o.Rate, "rate", o.Rate, "requests a second")
	flags.IntVar(&o.Total, "total", o.Total, "requests in all")
	flags.Float64Var(&o.KeepAliveShare, "keepalive", o.KeepAliveShare, "share of requests over kept connections")
	flags.Float64Var(&o.SlowShare, "slow", o.SlowShare, "share of requests to -slow-path")
	flags.StringVar(&o.SlowPath, "slow-path", o.SlowPath, "is sent ?ms=")
	flags.IntVar(&o.IdleConns, "idle", o.IdleConns, "connections that rest between requests")
	flags.DurationVar(&o.IdleFor, "idle-for", o.IdleFor, "how long they rest")
	flags.IntVar(&o.WebSockets, "websockets", o.WebSockets, "WebSockets to -ws-path")
	flags.StringVar(&o.WSPath, "ws-path", o.WSPath, "answers what it is sent")
	flags.DurationVar(&o.Timeout, "timeout", o.Timeout, "for one request, beyond its own slowness")
	flags.IntVar(&o.Callers, "callers", o.Callers, "gRPC clients that call -call-method")
	flags.StringVar(&o.CallTarget, "call-target", o.CallTarget, "host:port of the gRPC calls")
	flags.StringVar(&o.CallMethod, "call-method", o.CallMethod, "/package.Service/Method, is sent a request without fields")
	flags.DurationVar(&o.CallEvery, "call-every", time.Second, "how often each of them calls")
	body := flags.String("body", string(o.Body), "of each request")
	flags.StringVar(&o.ContentType, "type", o.ContentType, "content type of -body")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.Body = []byte(*body)

	generator, err := load.New(o)
	if err != nil {
		return err
	}
	stopped := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.Background(), lastWait)
		defer cancel()
		_ = generator.Stop(last)
	})
	defer stopped()
	result, err := generator.Run(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	fmt.Println(result)
	return result.Err()
}
