// Package secrets has the key of this host, and keeps what it opens where no disk
// sees it: in files of a file system that is in memory, for as long as a container
// needs them.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// dirMode keeps everybody but root out of the folders. A container sees the files
// themselves, which are mounted one by one.
const dirMode = 0o700

// Options say where.
type Options struct {
	StateDir string // of the key, on disk
	Dir      string // of the files, in memory
	Logger   *slog.Logger
}

// Secrets is safe for use by several goroutines.
type Secrets struct {
	options Options
	private *[keySize]byte
	public  *[keySize]byte
	problem string // why no file can be here
	lock    *os.File

	mu sync.Mutex // guards the files
}

// Open reads the key, or makes it, and finds out whether files can be kept in memory.
// That they can't isn't an error: see Problem.
func Open(o Options) (*Secrets, error) {
	private, public, err := openKey(o)
	if err != nil {
		return nil, err
	}
	s := &Secrets{options: o, private: private, public: public}
	if err := s.prepare(); err != nil {
		s.problem = err.Error()
		o.Logger.Warn("services with secrets can't run here", "dir", o.Dir, "error", err)
	}
	return s, nil
}

// Close lets go of the folder. The files stay: containers need them.
func (s *Secrets) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Key is the public half, in base64.
func (s *Secrets) Key() string { return base64.StdEncoding.EncodeToString(s.public[:]) }

// Problem is why no secret can be here; empty: they can.
func (s *Secrets) Problem() string { return s.problem }

// Write has the files of an instance's secrets be there, as they are asked for.
func (s *Secrets) Write(instance string, secrets []brain.Secret) error {
	if s.problem != "" {
		return errors.New(s.problem)
	}
	if !plainName(instance) {
		return fmt.Errorf("%.64q can't be a folder's name", instance)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind, inMemory := kindOf(s.options.Dir); !inMemory {
		return fmt.Errorf("secrets aren't written: %s is on %s now, not in memory", s.options.Dir, kind)
	}
	dir := filepath.Join(s.options.Dir, instance)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make the folder of secrets: %w", err)
	}
	for _, secret := range secrets {
		value, err := s.open(secret.Sealed)
		if err != nil {
			return fmt.Errorf("open the secret %s: %w", secret.Ref, err)
		}
		if !plainName(secret.File) {
			return fmt.Errorf("the secret %s: %.64q can't be a file's name", secret.Ref, secret.File)
		}
		if err := writeFile(filepath.Join(dir, secret.File), value, owned{secret.UID, secret.GID, secret.Mode}); err != nil {
			return fmt.Errorf("write the secret %s: %w", secret.Ref, err)
		}
	}
	return nil
}

// plainName is one step of a path, and not a hidden one.
func plainName(name string) bool {
	return name != "" && name[0] != '.' && filepath.Base(name) == name
}

// owned is whose a file is, and who may do what with it.
type owned struct {
	uid, gid int
	mode     fleet.FileMode
}

// writeFile puts a file in place as a whole. One that is right already stays: a
// container has it.
func writeFile(path string, value []byte, by owned) error {
	mode := os.FileMode(by.mode) & fs.ModePerm
	if same(path, value, mode, by) {
		return nil
	}
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(value)
	if err == nil && (by.uid != os.Geteuid() || by.gid != os.Getegid()) {
		err = file.Chown(by.uid, by.gid)
	}
	if err == nil {
		err = file.Chmod(mode)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, path)
}

func same(path string, value []byte, mode os.FileMode, by owned) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != mode {
		return false
	}
	var owner unix.Stat_t
	if unix.Lstat(path, &owner) != nil || int(owner.Uid) != by.uid || int(owner.Gid) != by.gid {
		return false
	}
	has, err := os.ReadFile(path)
	return err == nil && bytes.Equal(has, value)
}

// Keep removes the files of all other instances.
func (s *Secrets) Keep(instances []string) {
	if s.problem != "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, inMemory := kindOf(s.options.Dir); !inMemory {
		return
	}
	keepOnly(s.options.Dir, instances, s.options.Logger)
}

// keepOnly removes all folders but those of the instances.
func keepOnly(dir string, instances []string, logger *slog.Logger) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		logger.Warn("files of instances that are gone stay", "dir", dir, "error", err)
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() || slices.Contains(instances, entry.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			logger.Warn("files of an instance that is gone stay", "dir", dir, "instance", entry.Name(), "error", err)
		}
	}
}

// Credentials opens what a registry is to be told.
func (s *Secrets) Credentials(registry, sealed string) (*fleet.Credentials, error) {
	raw, err := s.open(sealed)
	if err != nil {
		return nil, fmt.Errorf("open the login for %s: %w", registry, err)
	}
	login := &fleet.Credentials{}
	if json.Unmarshal(raw, login) != nil { // its error would show some of it
		return nil, fmt.Errorf("the login for %s isn't one", registry)
	}
	return login, nil
}

func (s *Secrets) open(sealed string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errors.New("it isn't what a hub sends")
	}
	value, ok := box.OpenAnonymous(nil, raw, s.public, s.private)
	if !ok {
		return nil, errors.New("it is damaged, or encrypted to another key than this host's; the hub sends it anew once it has heard this host's key")
	}
	return value, nil
}
