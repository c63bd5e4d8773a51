package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/musterhq/muster/shared/fleet"
)

func lockedError(path string) error {
	return fleet.Conflict("", "another hub uses the store %s", path).
		WithHint("stop the other hub, or give this one its own data directory")
}

func newerError(path, what string) error {
	return fleet.Conflict("", "the store %s was written by a newer hub: it has %s, which this one does not know", path, what).
		WithHint("start the newer hub again, or restore the backup made before the upgrade")
}

func damagedError(path string, cause error) error {
	problem := &fleet.Error{
		Code:    fleet.CodeInternal,
		Message: fmt.Sprintf("the store %s is damaged: %v", path, cause),
		Hint:    "restore it from a backup; to begin anew instead, move the file away: then apply every project again",
	}
	return &causedError{problem, cause}
}

// failedError is what a commit that did not happen returns.
func failedError(path string, revision uint64, cause error) error {
	problem := &fleet.Error{
		Code:    fleet.CodeUnavailable,
		Message: fmt.Sprintf("the hub could not write its store %s: %v", path, cause),
		Hint:    "nothing was changed; see the hub's log",
	}
	if fullDisk(cause) {
		problem.Message = fmt.Sprintf("the hub's disk is full: its store %s cannot grow", path)
		problem.Hint = "nothing was changed; free space in " + filepath.Dir(path)
	}
	return fmt.Errorf("commit revision %d: %w", revision, &causedError{problem, cause})
}

// fullDisk goes by the text: bbolt doesn't keep the error of a file that
// could not grow.
func fullDisk(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if strings.Contains(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}

// causedError is an operator's error that keeps the technical one behind it.
type causedError struct {
	problem *fleet.Error
	cause   error
}

func (e *causedError) Error() string   { return e.problem.Error() }
func (e *causedError) Unwrap() []error { return []error{e.problem, e.cause} }
