package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/cmd/muster/support"
	"github.com/musterhq/muster/shared/buildinfo"
)

func (p *program) supportCommand() *cli.Command {
	return &cli.Command{
		Name:  "support",
		Usage: "gather what helps to find out what is wrong",
		Description: `Examples:
   muster support dump
   muster support dump --since 2h --file /tmp/fleet.tar.gz`,
		BashComplete: func(*cli.Context) { fmt.Fprintln(p.stdout, "dump") },
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("there is no command %q", "muster support "+c.Args().First()).hint("see muster support --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{{
			Name:  "dump",
			Usage: "write one archive with the state of the fleet, events, metrics and logs",
			Description: `The archive has versions, the hub's settings, hosts, services with the reasons
why they aren't as they should be, instances, balancers, pools, events, metrics
and the end of the logs of hub and agents; profiles too, if the hub has a
--debug-addr that can be reached from here. What can't be had is noted in its
summary.json, and the rest is there.

Values of environments, passwords, tokens and keys are hidden. Names, addresses
and what programs logged are not: read the archive before you send it.`,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "write to `FILE` (default muster-support-TIME.tar.gz in this directory)"},
				&cli.DurationFlag{Name: "since", Value: 24 * time.Hour, Usage: "events and log lines of the last `TIME`"},
			},
			Action: p.with(0, 0, dumpSupport),
		}},
	}
}

func dumpSupport(ctx context.Context, s *session, _ []string) error {
	since := s.flags.Duration("since")
	if since <= 0 {
		return usage("--since must be more than 0")
	}
	now := time.Now().UTC()
	file := s.flags.String("file")
	if file == "" {
		file = "muster-support-" + now.Format("20060102T150405Z") + ".tar.gz"
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return usage("there is no directory %s for the archive", filepath.Dir(file)).hint("name another --file")
	}
	url, _ := support.Mask("", []byte(s.hub.URL()))
	dump := &support.Dump{Created: now, Client: buildinfo.String(), Hub: string(url), Since: now.Add(-since)}
	if err := s.gather(ctx, dump); err != nil {
		return err
	}
	if err := dump.Write(file); err != nil {
		return err
	}
	return s.printDump(dump, file)
}

func (s *session) printDump(dump *support.Dump, file string) error {
	if s.json {
		return s.printJSON(struct {
			File string `json:"file"`
			*support.Dump
		}{file, dump})
	}
	var rows [][]string
	masked := 0
	for i := range dump.Parts {
		p := &dump.Parts[i]
		masked += p.Masked
		size := length(p.Bytes)
		if p.Problem != "" {
			size = "-"
		}
		rows = append(rows, []string{p.Name, size, p.Problem})
	}
	s.printTable([]column{{title: "part"}, {title: "size", right: true}, {title: "why not", width: 70, prose: true}}, rows)
	s.printf("\nwrote %s (%d of %d parts, %d values hidden)\n", file, len(dump.Parts)-dump.Failed(), len(dump.Parts), masked)
	s.printf("read it before you send it to anyone: tar -xzf %s\n", file)
	return nil
}

// length writes a number of bytes for people.
func length(bytes int) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	default:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
}
