package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/hub/export"
)

// valueWords are what the values of flags may be, whatever the command; an empty list:
// files, which the shell knows.
var valueWords = map[string][]string{
	"file": {}, "f": {}, "env-file": {}, "project-directory": {}, "config": {},
	"output": {outputTable, outputJSON}, "o": {outputTable, outputJSON},
	"format": export.Formats(), "protocol": {"http", "tcp"},
}

// completeValue writes what may stand after a flag, where that is asked; false: it isn't.
func (p *program) completeValue(args []string) bool {
	n := len(args)
	if n < 3 || args[n-1] != completionFlag || !strings.HasPrefix(args[n-2], "-") || strings.Contains(args[n-2], "=") {
		return false
	}
	name := strings.TrimLeft(args[n-2], "-")
	if slices.Contains(args, "logs") && name == "f" || slices.Contains(args, "--") {
		return false // there it follows
	}
	words, known := valueWords[name]
	for _, word := range words {
		fmt.Fprintln(p.stdout, word)
	}
	return known
}
