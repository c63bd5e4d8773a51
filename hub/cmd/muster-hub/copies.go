package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub"
)

// stdio stands for standard input or output in place of a file.
const stdio = "-"

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "copy the hub's store, whether the hub runs or not",
		ArgsUsage: "FILE",
		Description: "FILE is written whole and verified, or not at all; - writes to standard output.\n" +
			"A backup has everything that was asked for, environment values too: keep it as secret as those.\n\n" +
			"Examples:\n" +
			"   muster-hub backup /backup/hub-$(date +%F).db\n" +
			"   muster-hub backup - | age -r RECIPIENT > hub.db.age",
		Flags:        append(stateFlags(), forceFlag("replace FILE"), outputFlag()),
		BashComplete: words,
		OnUsageError: wrongFlag,
		Action:       backup,
	}
}

func backup(c *cli.Context) error {
	file, err := argument(c, "FILE")
	if err != nil {
		return err
	}
	o, say, err := settings(c)
	if err != nil {
		return err
	}
	if file == stdio {
		if isTerminal(os.Stdout) {
			return usageError("name a file, or pipe it on", "a backup isn't for a terminal")
		}
		return o.Backup(c.Context, c.App.Writer, progress(c))
	}
	made, err := o.BackupTo(c.Context, file, c.Bool("force"), progress(c))
	if err != nil {
		return err
	}
	return say(made, "%s: revision %d of the lineage %s, %s", file, made.Revision, made.Lineage, size(made.Bytes))
}

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "make a backup the hub's store",
		ArgsUsage: "FILE",
		Description: "The hub must not run. The backup is verified before anything changes; - reads it from standard input.\n" +
			"Started again, the hub listens to its hosts first and takes in what they run. Services that\n" +
			"changed since the backup come back frozen: apply their files as they are today, then unfreeze.\n\n" +
			"Examples:\n" +
			"   muster-hub restore --verify hub-2026-11-23.db\n" +
			"   muster-hub restore --force hub-2026-11-23.db",
		Flags: append(stateFlags(), forceFlag("take the place of a store that is there, which is kept aside"),
			&cli.StringFlag{Name: "lineage", Usage: "`LINEAGE` of the backup, where that of the store that is there is another"},
			&cli.BoolFlag{Name: "verify", Usage: "only verify the backup; change nothing"}, outputFlag()),
		BashComplete: words,
		OnUsageError: wrongFlag,
		Action:       restore,
	}
}

func restore(c *cli.Context) error {
	file, err := argument(c, "FILE")
	if err != nil {
		return err
	}
	o, say, err := settings(c)
	if err != nil {
		return err
	}
	if c.Bool("verify") {
		if file == stdio {
			return usageError("name a file", "standard input can't be verified only")
		}
		made, err := o.VerifyBackup(file)
		if err != nil {
			return err
		}
		return say(made, "%s is whole: revision %d of the lineage %s, taken %s", file, made.Revision, made.Lineage, made.Taken.Format("2006-01-02 15:04:05 MST"))
	}
	var from io.Reader = os.Stdin
	if file != stdio {
		opened, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("open the backup: %w", err)
		}
		defer opened.Close()
		from = opened
	}
	made, err := o.Restore(c.Context, from, c.Bool("force"), c.String("lineage"), progress(c))
	if err != nil {
		return err
	}
	kept := ""
	if made.Kept != "" {
		kept = "; the former store is " + made.Kept
	}
	return say(made, "restored revision %d of the lineage %s, taken %s%s\nstart the hub, then look at: muster services",
		made.Revision, made.Lineage, made.Taken.Format("2006-01-02 15:04:05 MST"), kept)
}

func recoverCommand() *cli.Command {
	return &cli.Command{
		Name:      "recover",
		Usage:     "begin anew for a fleet whose store is lost and has no backup",
		ArgsUsage: "LINEAGE",
		Description: "Makes an empty store that agents of the LINEAGE follow; nothing that runs is touched. Each agent\n" +
			"names its lineage in its log and in state.json. Do it only when the former hub is gone for good.\n" +
			"Then start the hub, let every host join it, wait until muster hosts shows them all, and apply every project's file:\n" +
			"what runs and is in the file is taken in as it is.\n\n" +
			"Example:\n" +
			"   muster-hub recover 7QW3VJ2K5XG4N6YTB2ZRHM3LDA",
		Flags:        append(stateFlags(), outputFlag()),
		BashComplete: words,
		OnUsageError: wrongFlag,
		Action:       recoverStore,
	}
}

func recoverStore(c *cli.Context) error {
	lineage, err := argument(c, "LINEAGE")
	if err != nil {
		return err
	}
	o, say, err := settings(c)
	if err != nil {
		return err
	}
	made, err := o.Recover(lineage)
	if err != nil {
		return err
	}
	return say(made, "an empty store goes on with the lineage %s\nstart the hub, let every host join it (muster token create --uses N), look at muster hosts, then apply every project's file", made.Lineage)
}

// stateFlags name the hub's folder, before the command or after it.
func stateFlags() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "state-dir", Usage: "`FOLDER` of the hub's store (default: as the hub's own setting)"}}
}

func forceFlag(usage string) cli.Flag { return &cli.BoolFlag{Name: "force", Usage: usage} }

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "text or json", Value: "text"}
}

// argument is the one argument of a command.
func argument(c *cli.Context, name string) (string, error) {
	if c.Args().First() == "" {
		return "", usageError("muster-hub "+c.Command.Name+" --help", "%s is missing", name)
	}
	if c.NArg() > 1 {
		return "", usageError("flags come before "+name+"; muster-hub "+c.Command.Name+" --help", "%q is not expected after %s", c.Args().Get(1), name)
	}
	return c.Args().First(), nil
}

// settings are the hub's, and a way to say what was done.
func settings(c *cli.Context) (o hub.Options, say func(v any, format string, args ...any) error, err error) {
	o = hub.DefaultOptions()
	o.StateDir = c.String("state-dir")
	if !c.IsSet("state-dir") {
		o.StateDir = c.Lineage()[1].String("state-dir")
	}
	o.EventsKept = c.Lineage()[1].Int("events-kept")
	if err := o.Validate(); err != nil {
		return o, nil, usageError("muster-hub "+c.Command.Name+" --help", "%v", err)
	}
	switch format := c.String("output"); format {
	case "text":
		say = func(_ any, format string, args ...any) error {
			_, err := fmt.Fprintf(c.App.Writer, format+"\n", args...)
			return err
		}
	case "json":
		say = func(v any, _ string, _ ...any) error { return json.NewEncoder(c.App.Writer).Encode(v) }
	default:
		err = usageError("muster-hub "+c.Command.Name+" --help", "--output: %q is not text or json", format)
	}
	return o, say, err
}

// words completes flags; files are the shell's to complete.
func words(c *cli.Context) {
	for _, flag := range c.Command.Flags {
		fmt.Fprintln(c.App.Writer, "--"+strings.TrimLeft(flag.Names()[0], "-"))
	}
}
