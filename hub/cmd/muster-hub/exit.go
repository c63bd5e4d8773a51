package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// Exit codes, the same as those of muster.
const (
	exitError       = 1
	exitUsage       = 2
	exitUnavailable = 4
	exitRefused     = 5
	exitInterrupted = 130
)

const exitCodesHelp = "EXIT CODES: 0 done, 1 an error, 2 the command line is wrong, 4 a disk is full or can't be written,\n" +
	"5 refused: a hub runs, a file is there already, or it is another fleet's, 130 interrupted"

// wrongUsage means that the command line itself is wrong.
type wrongUsage struct{ problem *fleet.Error }

func (e *wrongUsage) Error() string { return e.problem.Error() }
func (e *wrongUsage) Unwrap() error { return e.problem }

func usageError(hint, format string, args ...any) error {
	return &wrongUsage{fleet.Invalid("", format, args...).WithHint("%s", hint)}
}

func wrongFlag(_ *cli.Context, err error, _ bool) error {
	return usageError("see muster-hub --help", "%v", err)
}

func exitCode(err error) int {
	var wrong *wrongUsage
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	switch fleet.CodeOf(err) {
	case fleet.CodeUnavailable:
		return exitUnavailable
	case fleet.CodeConflict:
		return exitRefused
	}
	return exitError
}
