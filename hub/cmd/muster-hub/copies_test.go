package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// muster runs the program and returns what it printed and its exit code.
func muster(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	app := app()
	app.Writer, app.ErrWriter = &out, &out
	err := app.RunContext(t.Context(), append([]string{"muster-hub"}, args...))
	return out.String(), err
}

const oldLineage = "7QW3VJ2K5XG4N6YTB2ZRHM3LDA"

func TestBackupRestoreAndRecover(t *testing.T) {
	dir := t.TempDir()
	first, second, file := filepath.Join(dir, "first"), filepath.Join(dir, "second"), filepath.Join(dir, "backup.db")
	if out, err := muster(t, "recover", "--state-dir", first, oldLineage); err != nil || !strings.Contains(out, "lineage "+oldLineage) {
		t.Fatalf("recover: %v, %s", err, out)
	}
	out, err := muster(t, "--state-dir", first, "backup", "-o", "json", file)
	var made struct{ Lineage, SHA256 string }
	if err != nil || json.Unmarshal([]byte(out), &made) != nil || made.Lineage != oldLineage || made.SHA256 == "" {
		t.Fatalf("backup: %v, %s", err, out)
	}
	content, err := muster(t, "backup", "--state-dir", first, "-")
	if whole, _ := os.ReadFile(file); err != nil || len(content) != len(whole) {
		t.Errorf("to standard output: %d bytes, %v; want %d", len(content), err, len(whole))
	}
	if out, err := muster(t, "restore", "--verify", file); err != nil || !strings.Contains(out, "is whole") {
		t.Errorf("verify: %v, %s", err, out)
	}
	if out, err := muster(t, "restore", "--state-dir", second, file); err != nil || !strings.Contains(out, "start the hub") {
		t.Errorf("restore: %v, %s", err, out)
	}
	if out, err := muster(t, "restore", "--state-dir", second, "--force", file); err != nil || !strings.Contains(out, "hub.db.before-") {
		t.Errorf("restore again: %v, %s", err, out)
	}
}

func TestExitCodesOfCopies(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rubbish")
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"backup", exitUsage, "FILE is missing"},
		{"backup --what x", exitUsage, "not defined"},
		{"backup -o xml x", exitUsage, `"xml"`},
		{"restore " + file + " --force", exitUsage, "flags come before FILE"},
		{"restore --verify -", exitUsage, "name a file"},
		{"backup --state-dir data x", exitUsage, "state-dir: \"data\" is not an absolute path"},
		{"--events-kept 1 backup x", exitUsage, "less than 1000"},
		{"completion fish", exitUsage, "name a shell"},
		{"nonsense", exitUsage, "not expected"},
		{"backup --state-dir " + dir + "/none " + dir + "/x", exitError, "there is no store"},
		{"backup --state-dir " + dir + " " + file, exitRefused, "--force"},
		{"restore --state-dir " + dir + " " + file, exitError, file + " is not a backup"},
		{"restore --state-dir " + dir + " " + dir + "/none", exitError, "open the backup"},
	} {
		_, err := muster(t, strings.Fields(c.args)...)
		if err == nil || exitCode(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, exit code %d; want %d and %q", c.args, err, exitCode(err), c.code, c.says)
		}
	}
	for name, args := range map[string][]string{
		"FILE is missing":      {"backup", ""},
		"not an absolute path": {"restore", "--state-dir", "", file},
	} {
		if _, err := muster(t, args...); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v; want %q", args, err, name)
		}
	}
	if code := exitCode(fmt.Errorf("copy the backup: %w", context.Canceled)); code != exitInterrupted {
		t.Errorf("interrupted: %d", code)
	}
	if code := exitCode(errors.New("any")); code != exitError {
		t.Errorf("any other error: %d", code)
	}
}

func TestCompletionOfTheHub(t *testing.T) {
	if out, err := muster(t, "completion", "bash"); err != nil || !strings.Contains(out, "complete -o default -F _muster_hub_complete muster-hub") {
		t.Errorf("%v, %s", err, out)
	}
	out, err := muster(t, "restore", "--generate-bash-completion")
	if err != nil || !strings.Contains(out, "--verify") {
		t.Errorf("%v, %s", err, out)
	}
}
