package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/musterhq/muster/shared/fleet"
)

// Ways out where a hub has the store, by what was to be done with it.
const (
	openHint    = "stop the other hub, or give this one a folder of its own: --state-dir"
	readHint    = "that hub doesn't answer at its socket: restart it, it makes the socket anew, and its log says if it can't; or name another hub's folder: --state-dir"
	restoreHint = "stop it first, and see that it stays stopped; or name another hub's folder: --state-dir"
)

func lockedError(path, hint string) error {
	who := "another hub"
	if process := holder(path); process != "" {
		who += " (" + process + ")"
	}
	return fleet.Conflict("", "%s uses the store %s", who, path).
		WithHint("%s", hint)
}

func newerError(path, what string) error {
	return fleet.Conflict("", "the store %s was written by a newer hub: it has %s, which this one does not know", path, what).
		WithHint("start the newer hub again, or restore the backup made before the upgrade")
}

func missingError(path string) error {
	return fleet.NotFound("there is no store at %s, and this hub is told not to make a new one (--require-store)", path).
		WithHint("look whether its disk is mounted; else muster-hub restore puts a backup there, and muster-hub recover begins anew for the same fleet")
}

// displacedError: what was committed so far is in a file without a name, which
// only this process can still read.
func displacedError(path string) error {
	return &fleet.Error{
		Code:    fleet.CodeUnavailable,
		Message: fmt.Sprintf("%s is not the hub's store any more: the file was exchanged or removed while the hub ran", path),
		Hint:    "nothing is changed any more; rescue what this hub knows while it runs: muster-hub backup FILE; then stop it, and muster-hub restore --force FILE",
	}
}

// Advise says what to do about a file or folder that can't be used.
func Advise(path string, cause error) error {
	problem := &fleet.Error{Code: fleet.CodeUnavailable}
	switch {
	case fullDisk(cause):
		problem.Message, problem.Hint = "the disk is full", "nothing was changed; free space in "+filepath.Dir(path)
	case errors.Is(cause, fs.ErrPermission) || errors.Is(cause, syscall.EROFS):
		problem.Message = fmt.Sprintf("%s can't be used by this user: %v", path, cause)
		problem.Hint = fmt.Sprintf("run as the user that owns %s, on a disk that can be written", filepath.Dir(path))
	default:
		return cause
	}
	return &causedError{problem, cause}
}

func damagedError(path string, cause error) error {
	problem := &fleet.Error{
		Code:    fleet.CodeInternal,
		Message: fmt.Sprintf("the store %s is damaged: %v", path, cause),
		Hint:    "restore it: muster-hub restore --force BACKUP; without a backup, move the file away and begin anew for the same fleet: muster-hub recover LINEAGE (agents name theirs in their logs and in state.json), then apply every project again",
	}
	return &damaged{causedError{problem, cause}}
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

// damaged says that a store's content makes no sense; its ways out aren't those of a backup.
type damaged struct{ causedError }
