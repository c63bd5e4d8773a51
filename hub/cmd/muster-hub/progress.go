package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/hub"
)

// progress says on a terminal, once a second, how far a copy is.
func progress(c *cli.Context) hub.Progress {
	if !isTerminal(os.Stderr) {
		return func(int64, int64) {}
	}
	next := time.Now().Add(time.Second)
	return func(done, all int64) {
		if time.Now().Before(next) {
			return
		}
		next = time.Now().Add(time.Second)
		if all > 0 {
			fmt.Fprintf(c.App.ErrWriter, "%s of %s\n", size(done), size(all))
		} else {
			fmt.Fprintln(c.App.ErrWriter, size(done))
		}
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", (bytes+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}
