// Command rank is a body-fat leaderboard: a small HTTP service whose instances
// share one Redis. It is Muster's example of an ordinary application: nothing in
// it knows of Muster but the name of the variable that its instance is told by.
// This is version 1; v2 and v3 are its successors.
//
// Environment: LISTEN (default :8080), STORE (default board:6379),
// MUSTER_INSTANCE (default the host name).
package main

import "github.com/musterhq/muster/examples/rank/serve"

// version is set at link time with -X main.version=….
var version = "dev"

func main() { serve.Main(serve.Program{Version: version}) }
