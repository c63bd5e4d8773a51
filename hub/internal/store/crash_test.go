package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

// The test binary runs itself again as a process that is killed, or that may
// not write large files: the variable says what it should be.
const roleVariable = "MUSTER_STORE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "committer":
		commitForEver(os.Args[1])
	case "upgrader":
		upgradeForEver(os.Args[1])
	case "upgrade-some-steps":
		upgradeSomeSteps(os.Args[1])
	case "upgrade-on-full-disk":
		upgradeOnFullDisk(os.Args[1])
	case "restorer":
		restoreForEver(os.Args[1])
	case "restore-on-full-disk":
		restoreOnFullDisk(os.Args[1])
	case "full-disk":
		fillTheDisk(os.Args[1])
	default:
		goleak.VerifyTestMain(m)
	}
}

func child(role, path string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// commitForEver commits revision after revision and prints each one that was
// acknowledged. A revision's records all have its number as their value.
func commitForEver(path string) {
	o := options()
	o.Retention = 50
	s, err := Open(path, o)
	must(err)
	for revision := s.Meta().Revision + 1; ; revision++ {
		must(s.Commit(revision, batch(revision), happened("a", "b")))
		fmt.Println(revision)
	}
}

// batch sets some records for good and one group again and again.
func batch(revision uint64) []Change {
	value := fmt.Sprint(revision)
	changes := []Change{set("services", "own/"+value, value)}
	for i := range 20 {
		changes = append(changes, set("hosts", fmt.Sprint("h", i), value+strings.Repeat(" ", int(revision*37%2000))))
	}
	return changes
}

func TestKilledInACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	for round := range 12 {
		acknowledged := killAfter(t, path, 5+round*7)
		s := open(t, path, options())
		have := s.Meta().Revision
		if have < acknowledged {
			t.Fatalf("round %d: revision %d was acknowledged, %d is there", round, acknowledged, have)
		}
		got := records(t, s)
		for revision := uint64(1); revision <= have; revision++ {
			if value := fmt.Sprint(revision); got["services:own/"+value] != value {
				t.Fatalf("round %d: revision %d is missing", round, revision)
			}
		}
		if len(got) != int(have)+20 {
			t.Errorf("round %d: %d records at revision %d", round, len(got), have)
		}
		for i := range 20 {
			if value := strings.TrimSpace(got[fmt.Sprint("hosts:h", i)]); value != fmt.Sprint(have) {
				t.Errorf("round %d: host %d has the value of %s at revision %d", round, i, value, have)
			}
		}
		if events, err := s.Latest(2, nil); err != nil || len(events) != 2 || events[0].Revision != have {
			t.Errorf("round %d: the last events are %v, error %v", round, events, err)
		}
		s.Close()
	}
}

// killAfter starts a committer, kills it when it has acknowledged so many
// revisions, and returns the last one that it did.
func killAfter(t *testing.T, path string, commits int) (acknowledged uint64) {
	t.Helper()
	cmd := child("committer", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		if seen == commits {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait() // killed, so it fails
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
		t.Fatalf("the committer ended by itself: %v", cmd.ProcessState)
	}
	return acknowledged
}

// fillTheDisk commits until the file may not grow, and then goes on with
// what a full disk allows, and with more room.
func fillTheDisk(path string) {
	s, err := Open(path, options())
	must(err)
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	soft := func(size uint64) {
		must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: limit.Max}))
	}
	revision := uint64(0)
	grow := func() error { return s.Commit(revision+1, big(revision+1), happened("a")) }
	// The file is made longer in steps of 16 MiB: first a page in it cannot
	// be written, then it cannot be made longer.
	for _, size := range []uint64{10 << 20, 24 << 20} {
		soft(32 << 20)
		must(grow())
		revision++
		soft(size)
		for failures := 0; failures < 3; {
			if err = grow(); err == nil {
				revision++
				continue
			}
			failures++
			full := strings.Contains(err.Error(), "disk is full")
			told := s.Ready() != nil && strings.Contains(s.Ready().Error(), "disk is full")
			fmt.Println(fleet.CodeOf(err), full, told, s.Meta().Revision == revision, s.Problem() == nil)
		}
	}
	soft(limit.Max)
	must(s.Ready()) // without a commit
	must(grow())
	must(s.Close())
	fmt.Println(revision + 1)
}

func big(revision uint64) []Change {
	value := fmt.Sprint(revision)
	return []Change{set("hosts", "last", value), set("services", value, strings.Repeat("x", 50_000))}
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	out, err := child("full-disk", path).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines[:len(lines)-1] {
		if line != "unavailable true true true true" {
			t.Errorf("with a full disk: %s", line)
		}
	}
	last := lines[len(lines)-1]
	s := open(t, path, options())
	got := records(t, s)
	if fmt.Sprint(s.Meta().Revision) != last || got["hosts:last"] != last || fmt.Sprint(len(got)-1) != last {
		t.Errorf("revision %d with %d records, the last one of %s; want %s", s.Meta().Revision, len(got), got["hosts:last"], last)
	}
	if len(lines) != 7 {
		t.Errorf("it said %q", lines)
	}
}
