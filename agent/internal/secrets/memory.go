package secrets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const lockFile = ".lock"

// kinds of file systems that have no disk behind them, by their magic numbers.
var kinds = map[int64]string{unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs"}

// kindOf says what file system a folder is on, and whether that is in memory.
func kindOf(dir string) (kind string, inMemory bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "nothing that can be looked at", false
	}
	if kind, ok := kinds[st.Type]; ok {
		return kind, true
	}
	return fmt.Sprintf("a disk (file system %#x)", st.Type), false
}

// prepare has the folder be in memory and this agent's alone.
func (s *Secrets) prepare() error {
	dir := s.options.Dir
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make the folder of secrets: %w", err)
	}
	if kind, inMemory := kindOf(dir); !inMemory {
		if err := s.mount(); err != nil {
			return fmt.Errorf("%s is on %s, not in memory, and no tmpfs can be mounted there: %w (mount one, or name another folder by --secrets-dir)", dir, kind, err)
		}
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return fmt.Errorf("protect the folder of secrets: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("take the folder of secrets: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("%s is used by another agent: each needs a --secrets-dir of its own", dir), lock.Close())
	}
	s.lock = lock
	return nil
}

// mount mounts a tmpfs that isn't swapped out, where the kernel knows that (6.4 and
// later).
func (s *Secrets) mount() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if ownMounts(string(mounts), s.options.Dir) {
		return errors.New("this agent has mounts of its own, which the container engine would not see")
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	err = unix.Mount("muster-secrets", s.options.Dir, "tmpfs", flags, "mode=0700,noswap")
	if errors.Is(err, unix.EINVAL) {
		s.options.Logger.Info("this kernel may swap secrets out: it is older than 6.4")
		err = unix.Mount("muster-secrets", s.options.Dir, "tmpfs", flags, "mode=0700")
	}
	if err == nil {
		s.options.Logger.Info("tmpfs for secrets mounted", "dir", s.options.Dir)
	}
	return err
}

// ownMounts says whether what is mounted below a folder stays in this process's own
// view of the file system, as services have it that a service manager shields: mounts
// come in from the machine's, and none gets out.
func ownMounts(mountinfo, dir string) bool {
	point, own := "", false
	for line := range strings.Lines(mountinfo) {
		front, _, _ := strings.Cut(line, " - ")
		fields := strings.Fields(front)
		if len(fields) < 6 || !below(dir, fields[4]) || len(fields[4]) < len(point) {
			continue
		}
		shared, slave := false, false
		for _, field := range fields[6:] {
			shared = shared || strings.HasPrefix(field, "shared:")
			slave = slave || strings.HasPrefix(field, "master:")
		}
		point, own = fields[4], slave && !shared
	}
	return own
}

func below(dir, point string) bool {
	return dir == point || point == "/" || strings.HasPrefix(dir, point+"/")
}
