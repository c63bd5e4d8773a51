// Testhosts makes test hosts for trying things by hand, and clears away those
// that a killed program left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/musterhq/muster/test/hosts"
)

const usage = `usage: testhosts up [-n 3] [-prefix web]   hosts until Ctrl-C
       testhosts sweep                     clear away what dead programs left`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := hosts.UntilEnded()
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "up":
		return up(ctx, logger, args[1:])
	case "sweep":
		return hosts.Sweep(ctx, logger)
	default:
		return errors.New(usage)
	}
}

func up(ctx context.Context, logger *slog.Logger, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	n := flags.Int("n", 3, "number of hosts")
	prefix := flags.String("prefix", "web", "start of their names")
	if err := flags.Parse(args); err != nil {
		return err
	}
	fleet, err := hosts.New(ctx, hosts.Options{Names: hosts.Numbered(*prefix, *n), Logger: logger})
	if err != nil {
		return err
	}
	if err := fleet.StartEngines(ctx); err != nil {
		return errors.Join(err, fleet.Close())
	}
	fmt.Printf("this machine is %s\n", fleet.Hub)
	for _, h := range fleet.Hosts {
		fmt.Printf("%-12s %-14s docker --host unix://%s\n", h.Name, h.Address, h.DockerSocket)
		fmt.Printf("%-12s %-14s nsenter --net=%s\n", "", "", h.NetNS)
	}
	fmt.Println("Ctrl-C takes them away")
	<-ctx.Done()
	return fleet.Close()
}
