// Command crowd plays many agents to a hub. It takes orders on its standard
// input and ends with it. See package crowd.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/musterhq/muster/bench/crowd"
)

func main() {
	o := crowd.DefaultOptions()
	flag.StringVar(&o.Hub, "hub", "127.0.0.1:1883", "`address` of the hub's broker")
	flag.StringVar(&o.Join, "join", "", "`address` where the agents join by HTTPS, with the token of an order; empty: they connect without TLS")
	flag.IntVar(&o.First, "first", 0, "`number` of the first agent")
	flag.IntVar(&o.Agents, "agents", o.Agents, "`number` of agents")
	flag.Parse()
	if err := crowd.New(o).Serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}
