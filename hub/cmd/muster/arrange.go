package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange moves flags to where the cli package reads them, so that they may
// stand anywhere: those of the program before the command, those of a
// command before its arguments. What follows "--" is left as it is.
func arrange(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	var global, path, local, rest []string
	commands, own := app.Commands, []cli.Flag(nil)
	for i := 1; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			rest = append(rest, args[i:]...)
			i = len(args)
		case arg == completionFlag && i == len(args)-1:
			rest = append(rest, arg)
		case strings.HasPrefix(arg, "-") && arg != "-":
			flag, mine := find(own, arg)
			if flag == nil {
				flag, mine = find(app.Flags, arg)
				mine = !mine
			}
			words := args[i : i+1]
			if takesValue(flag) && !strings.Contains(arg, "=") && i+1 < len(args) {
				words = args[i : i+2]
				if i++; args[i] == completionFlag { // what the value may be is asked
					words = []string{arg + "=0"}
					rest = append(rest, completionFlag)
				}
			}
			if flag != nil && !mine {
				global = append(global, words...)
			} else {
				local = append(local, words...)
			}
		default:
			next := named(commands, arg)
			if next == nil || len(rest) > 0 {
				rest = append(rest, arg)
				commands = nil
				continue
			}
			path = append(path, arg)
			commands, own = next.Subcommands, next.Flags
		}
	}
	return slices.Concat(args[:1], global, path, local, rest)
}

func named(commands []*cli.Command, name string) *cli.Command {
	for _, command := range commands {
		if command.HasName(name) {
			return command
		}
	}
	return nil
}

// find returns the flag that an argument names.
func find(flags []cli.Flag, arg string) (cli.Flag, bool) {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	for _, flag := range flags {
		if slices.Contains(flag.Names(), name) {
			return flag, true
		}
	}
	return nil, false
}

func takesValue(flag cli.Flag) bool {
	if flag == nil {
		return false
	}
	_, isBool := flag.(*cli.BoolFlag)
	return !isBool
}
