package secrets

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/musterhq/muster/agent/brain"
)

// Configs keeps configs' files on disk, for as long as a container needs them: they
// are no secrets. It is safe for use by several goroutines.
type Configs struct {
	dir    string
	logger *slog.Logger

	mu sync.Mutex // guards the files
}

// NewConfigs keeps files below dir, which it makes with the first.
func NewConfigs(dir string, logger *slog.Logger) *Configs { return &Configs{dir: dir, logger: logger} }

// Write has the files of an instance's configs be there, as they are asked for.
func (c *Configs) Write(instance string, files []brain.ConfigFile) error {
	if !plainName(instance) {
		return fmt.Errorf("%.64q can't be a folder's name", instance)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := filepath.Join(c.dir, instance)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make the folder of configs: %w", err)
	}
	for _, f := range files {
		if !plainName(f.File) {
			return fmt.Errorf("a config: %.64q can't be a file's name", f.File)
		}
		if err := writeFile(filepath.Join(dir, f.File), f.Content, owned{f.UID, f.GID, f.Mode}); err != nil {
			return fmt.Errorf("write a config: %w", err)
		}
	}
	return nil
}

// Keep removes the files of all other instances.
func (c *Configs) Keep(instances []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := os.Stat(c.dir); err == nil { // else there was none yet
		keepOnly(c.dir, instances, c.logger)
	}
}
