// Command v3 is version 3 of the leaderboard, which is broken on purpose: it is
// version 2, but slow, and every twentieth of its pages is a 500. It starts,
// and answers /healthz, as well as any: only its answers tell.
package main

import (
	"github.com/musterhq/muster/examples/rank/rpc"
	"github.com/musterhq/muster/examples/rank/serve"
)

// version is set at link time with -X main.version=….
var version = "dev"

func main() {
	serve.Main(serve.Program{Version: version, Beside: rpc.Beside, Around: broken})
}
