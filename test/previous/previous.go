// Package previous builds the release before this one, from its commit: what is to
// keep working beside it is tried with it.
package previous

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The file commit names it, and nothing else does. When a release is made, it
// becomes the one before the next: write its commit there, and have the messages
// that it writes copied (go test -tags e2e ./test/previous -update).
//
//go:embed commit
var commit string

// Commit of the previous release.
func Commit() string { return strings.TrimSpace(commit) }

// Build makes the previous release's programs in a folder.
func Build(ctx context.Context, dir string) error {
	source := filepath.Join(dir, "source")
	if err := checkOut(ctx, source); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", dir+"/", "./hub/cmd/muster-hub", "./hub/cmd/muster", "./agent/cmd/muster-agent")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the previous release: %w: %s", err, out)
	}
	return nil
}

// checkOut writes the previous release's files to a folder.
func checkOut(ctx context.Context, dir string) error {
	archive, err := Git(ctx, "archive", Commit())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	unpack.Stdin = strings.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack the previous release: %w: %s", err, out)
	}
	return nil
}

// Git asks the repository that this working copy is of, whoever owns it, for
// something that needs the previous release's commit.
func Git(ctx context.Context, args ...string) (string, error) {
	top, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err == nil {
		_, err = git(ctx, strings.TrimSpace(top), "cat-file", "-e", Commit()+"^{commit}")
	}
	if err != nil {
		return "", fmt.Errorf("the previous release, commit %s, isn't in this repository: it takes a clone with its whole history (git fetch --unshallow): %w", Commit(), err)
	}
	return git(ctx, strings.TrimSpace(top), args...)
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-c", "safe.directory=*", "-C", dir}, args...)...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(failed.Stderr)))
	}
	return string(out), err
}
