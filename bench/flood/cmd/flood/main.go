// Command flood plays those who have no right to anything at a hub's door, until its
// standard input ends. See package flood.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/musterhq/muster/bench/flood"
)

func main() {
	o := flood.DefaultOptions()
	flag.StringVar(&o.Hub, "hub", "127.0.0.1:8883", "`address` of the hub's broker")
	flag.IntVar(&o.Sources, "sources", o.Sources, "`number` of addresses that the attempts come from")
	flag.IntVar(&o.Idle, "idle", o.Idle, "`number` of connections that say nothing")
	flag.IntVar(&o.Rate, "rate", o.Rate, "`number` of attempts a second of each other kind")
	flag.Parse()
	if err := flood.Serve(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}
