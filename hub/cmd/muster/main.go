// Command muster is the operator's command line. It resolves Compose files
// and is a client of the hub's HTTP API.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	os.Exit(muster())
}

func muster() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		asks: isTerminal(os.Stdin), terminal: isTerminal(os.Stdout),
	}
	return p.run(ctx, os.Args)
}

// isTerminal: there may be a person. /dev/null is a device, and none.
func isTerminal(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}
