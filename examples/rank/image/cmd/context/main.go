// Command context writes the build context of one of the example's images:
//
//	context rank BINARY DIR
//	context redis DIR
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/musterhq/muster/examples/rank/image"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "context:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "rank":
		im, err := image.Rank(args[1])
		if err != nil {
			return err
		}
		return im.WriteContext(args[2])
	case len(args) == 2 && args[0] == "redis":
		im, err := image.Redis(context.Background())
		if err != nil {
			return err
		}
		return im.WriteContext(args[1])
	}
	return fmt.Errorf("want: rank BINARY DIR, or redis DIR")
}
