package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/hub/compose"
	"github.com/musterhq/muster/shared/fleet"
)

// Exit codes. They are part of the command line's contract.
const (
	exitOK           = 0
	exitError        = 1
	exitUsage        = 2
	exitNotConverged = 3
	exitUnreachable  = 4
	exitRefused      = 5
	exitTakenBack    = 6
	exitNotAllowed   = 7
	exitChanges      = 8
	exitInterrupted  = 130
)

const exitCodesHelp = `
EXIT CODES:
   0    done
   1    an error; the message says which
   2    the command line is wrong
   3    done, but the fleet did not get there in time
   4    the hub can't be reached, or can't take orders now
   5    refused: it contradicts something else that was asked for
   6    the new version failed: its rollout was taken back, or is paused
   7    not logged in, or not allowed
   8    muster plan --exit-code: something would change
   130  interrupted
`

// usageError means that the command line itself is wrong.
type usageError struct{ message, advice string }

func usage(format string, args ...any) *usageError {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

func (e *usageError) hint(advice string) *usageError {
	e.advice = advice
	return e
}

func (e *usageError) Error() string { return e.message }

// notConverged means that a wait ended before the fleet was there.
type notConverged struct{ reason, advice string }

func (e *notConverged) Error() string { return e.reason }

// rolloutFailed means that a new version is no good.
type rolloutFailed struct{ reason, advice string }

func (e *rolloutFailed) Error() string { return e.reason }

// errChanges: a plan would change something, and the caller wants to know by the exit
// code.
var errChanges = errors.New("something would change")

func exitCode(err error) int {
	var wrong *usageError
	var late *notConverged
	var failed *rolloutFailed
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.Is(err, errDisagreed):
		return exitOK
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &late):
		return exitNotConverged
	case errors.As(err, &failed):
		return exitTakenBack
	case errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	}
	switch fleet.CodeOf(err) {
	case fleet.CodeUnavailable:
		return exitUnreachable
	case fleet.CodeConflict, fleet.CodePrecondition:
		return exitRefused
	case fleet.CodeUnauthenticated, fleet.CodeForbidden:
		return exitNotAllowed
	}
	return exitError
}

// sentences takes an error apart for a person: each message, then its hint.
func sentences(err error) []string {
	var lines []string
	say := func(message, hint string) {
		lines = append(lines, message)
		if hint != "" {
			lines = append(lines, "  "+hint)
		}
	}
	var wrong *usageError
	var late *notConverged
	var failed *rolloutFailed
	var explained *fleet.Error
	switch {
	case errors.As(err, &wrong):
		say(wrong.message, wrong.advice)
	case errors.As(err, &late):
		say(late.reason, late.advice)
	case errors.As(err, &failed):
		say(failed.reason, failed.advice)
	case !errors.As(err, &explained):
		say(err.Error(), "")
	case errors.Is(err, client.ErrUnreachable):
		say(explained.Message, explained.Hint)
	default:
		for _, e := range compose.Errors(err) {
			message := e.Message
			if e.Path != "" {
				message = e.Path + ": " + message
			}
			say(message, e.Hint)
		}
	}
	return lines
}
