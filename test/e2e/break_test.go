//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// smallDisk gives the hub or an agent, which mustn't run, a disk of a few MiB
// of its own for what it keeps, until the test ends.
func (p *project) smallDisk(name string, size int64) (dir string) {
	p.Helper()
	dir = p.c.StateDir(name)
	aside := dir + ".aside"
	p.must(os.Rename(dir, aside))
	p.must(os.Mkdir(dir, 0o700))
	p.must(unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)))
	p.Cleanup(func() { // before mend, which starts it again
		p.stop(name)
		after := dir + ".after"
		copied := exec.Command("cp", "-a", dir, after).Run() // with the modes: keys are for nobody else
		if err := errors.Join(copied, unix.Unmount(dir, 0), os.RemoveAll(dir), os.RemoveAll(aside), os.Rename(after, dir)); err != nil {
			p.Errorf("give %s its disk back: %v", name, err)
		}
	})
	// Sparsely: else the file is as long as it may become.
	if out, err := exec.CommandContext(p.ctx(), "cp", "-a", "--sparse=always", aside+"/.", dir).CombinedOutput(); err != nil {
		p.Fatalf("copy to the small disk: %v: %s", err, out)
	}
	return dir
}

// fill leaves no room on a disk until free is called.
func (p *project) fill(dir string) (free func()) {
	p.Helper()
	path := filepath.Join(dir, "filler")
	file, err := os.Create(path)
	p.must(err)
	defer file.Close()
	for block := make([]byte, 1<<16); len(block) > 0; block = block[:len(block)/2] {
		for err = nil; err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, unix.ENOSPC) {
			p.Fatal(err)
		}
	}
	return func() { p.must(os.Remove(path)) }
}

// noMoreFiles has the hub or an agent keep the files that it has open and open
// no other, until restore is called or the test ends.
func (p *project) noMoreFiles(name string) (restore func()) {
	p.Helper()
	pid := p.process(name).Pid()
	var was unix.Rlimit
	p.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was))
	p.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Max: was.Max}, nil))
	restore = func() {
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &was, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			p.Errorf("give %s its files back: %v", name, err)
		}
	}
	p.Cleanup(restore)
	return restore
}
