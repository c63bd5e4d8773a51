package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// restoreForEver restores two backups in turn over the store and over each other,
// and prints how far it is.
func restoreForEver(path string) {
	for i := 0; ; i++ {
		content, err := os.ReadFile(path + []string{".a", ".b"}[i%2])
		must(err)
		result, err := Restore(bytes.NewReader(content), path, options(), Restoring{Force: true, Now: noon, Progress: func(done int64) { fmt.Println(done) }})
		must(err)
		must(os.Remove(result.Kept))
		fmt.Println(i)
	}
}

// twoBackups puts a store and two backups of it at path: "a" with many records,
// "b" with some of them.
func twoBackups(t *testing.T, path string) {
	t.Helper()
	s := open(t, path, options())
	for i, name := range []string{".b", ".a"} {
		commit(t, s, uint64(i+1), batch(uint64(i+1)))
		if err := os.WriteFile(path+name, backup(t, s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
}

// Whenever a restore is killed, there is one of the two stores, whole.
func TestKilledInARestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	twoBackups(t, path)
	for round := range 15 {
		cmd := child("restorer", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop, missing := make(chan struct{}), make(chan bool, 1)
		go watch(path, stop, missing)
		lines := bufio.NewScanner(out)
		for range 1 + round {
			if !lines.Scan() {
				t.Fatal("the restorer ended by itself")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		close(stop)
		if <-missing {
			t.Errorf("round %d: for a moment there was no store", round)
		}
		if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
			t.Fatalf("the restorer ended by itself: %v", cmd.ProcessState)
		}
		s := open(t, path, options())
		if kept, _ := filepath.Glob(path + ".before-*"); len(kept) > 0 {
			must(os.Remove(kept[0])) // of the one that was killed
		}
		if got := len(records(t, s)); got != 21 && got != 22 {
			t.Errorf("round %d: %d records", round, got)
		}
		s.Close()
	}
	content, err := os.ReadFile(path + ".a")
	if err != nil {
		t.Fatal(err)
	}
	restore(t, content, path, Restoring{Force: true})
	if left, _ := filepath.Glob(path + draftSuffix + "*"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// watch says whether there was a moment without the store.
func watch(path string, stop <-chan struct{}, missing chan<- bool) {
	seen := false
	for {
		select {
		case <-stop:
			missing <- seen
			return
		default:
			_, err := os.Stat(path)
			seen = seen || err != nil
		}
	}
}

func restoreOnFullDisk(path string) {
	content, err := os.ReadFile(path + ".a")
	must(err)
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(len(content) / 2), Max: limit.Max}))
	_, err = Restore(bytes.NewReader(content), path, options(), Restoring{Force: true, Now: noon})
	fmt.Println(fleet.CodeOf(err), err)
}

func TestRestoreOnAFullDiskChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	twoBackups(t, path)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := child("restore-on-full-disk", path).Output()
	if err != nil || !strings.HasPrefix(string(out), fleet.CodeUnavailable) || !strings.Contains(string(out), "free space in") {
		t.Errorf("%v: %s", err, out)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the store was changed")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 3 {
		t.Errorf("the folder has %v", entries)
	}
}
