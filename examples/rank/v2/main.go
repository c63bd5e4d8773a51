// Command v2 is version 2 of the leaderboard: it has a gRPC interface beside
// HTTP, and keeps HTTP and what is in the store as version 1 has them.
//
// Environment: that of version 1, and LISTEN_GRPC (default :9090).
package main

import (
	"github.com/musterhq/muster/examples/rank/rpc"
	"github.com/musterhq/muster/examples/rank/serve"
)

// version is set at link time with -X main.version=….
var version = "dev"

func main() { serve.Main(serve.Program{Version: version, Beside: rpc.Beside}) }
