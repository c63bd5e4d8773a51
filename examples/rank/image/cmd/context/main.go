// Command context writes the build context of one of the example's images:
//
//	context rank VERSION BINARY DIR
//	context redis DIR
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

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
	case len(args) == 4 && args[0] == "rank":
		version, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("%q is not a version", args[1])
		}
		im, err := image.Rank(version, args[2])
		if err != nil {
			return err
		}
		return im.WriteContext(args[3])
	case len(args) == 2 && args[0] == "redis":
		im, err := image.Redis(context.Background())
		if err != nil {
			return err
		}
		return im.WriteContext(args[1])
	}
	return fmt.Errorf("want: rank VERSION BINARY DIR, or redis DIR")
}
