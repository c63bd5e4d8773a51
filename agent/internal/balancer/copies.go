package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// copyName is how a certificate's copy is called.
var copyName = regexp.MustCompile(`^(.+)-[0-9a-f]{16}\.pem$`)

// copyOf says whether a file is a copy by a name.
func copyOf(file, name string) bool {
	match := copyName.FindStringSubmatch(file)
	return len(match) > 1 && match[1] == name
}

// recall finds a name's copy of before: an agent that starts serves on with it whatever
// has become of the original. The newest counts.
func (c *Certificates) recall(name string) *known {
	k := &known{}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return k // there are none
	}
	var newest time.Time
	for _, entry := range entries {
		info, err := entry.Info()
		if !copyOf(entry.Name(), name) || err != nil || info.ModTime().Before(newest) {
			continue
		}
		path := filepath.Join(c.Dir, entry.Name())
		content, err := readBounded(path)
		if err != nil {
			continue
		}
		if read, err := parseCertificate(content); err == nil && read.file(name) == entry.Name() {
			newest, k.now, k.path = info.ModTime(), read, path
		}
	}
	return k
}

// copy writes a copy that only the owner can read.
func (c *Certificates) copy(path string, content []byte) error {
	if had, err := os.ReadFile(path); err == nil && bytes.Equal(had, content) {
		return nil
	}
	if err := MakeDir(c.Dir); err != nil {
		return err
	}
	out, err := os.CreateTemp(c.Dir, "new-*")
	if err != nil {
		return fmt.Errorf("copy it: %w", err)
	}
	defer os.Remove(out.Name()) // is gone once it is renamed
	_, err = out.Write(content)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("copy it: %w", err)
	}
	return syncDir(c.Dir)
}

// Sweep removes copies that are no longer in use. The balancer's file must not name
// them any more.
func (c *Certificates) Sweep() {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return
	}
	used := map[string]bool{}
	for _, path := range c.Paths() {
		used[filepath.Base(path)] = true
	}
	for _, entry := range entries {
		if !used[entry.Name()] && copyName.MatchString(entry.Name()) {
			if err := os.Remove(filepath.Join(c.Dir, entry.Name())); err != nil {
				c.Log.Warn("old copy of a certificate not removed", "file", entry.Name(), "error", err)
			}
		}
	}
}
