package fleet

import (
	"crypto/sha256"
	"encoding/hex"
)

// Bounds of configs.
const (
	MaxConfig     = 64 << 10 // bytes of one
	MaxConfigs    = 32       // of one service
	MaxAllConfigs = 80 << 10 // bytes of all those of one service
)

// Config is a file that a container sees, and can't change. What is in it travels
// with the version, so that an older version has the content of then.
type Config struct {
	Name    string   `json:"name"`
	Target  string   `json:"target"` // an absolute path
	UID     int      `json:"uid,omitempty"`
	GID     int      `json:"gid,omitempty"`
	Mode    FileMode `json:"mode"`
	Size    int      `json:"size"` // bytes of the content
	Sum     string   `json:"sum"`  // tells contents apart; see ConfigSum
	Content []byte   `json:"content,omitempty"`
}

// ConfigSum tells contents of configs apart.
func ConfigSum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// WithoutContent are configs as people see them: what is in them is theirs who run
// the service.
func WithoutContent(configs []Config) []Config {
	out := make([]Config, len(configs))
	for i, c := range configs {
		c.Content = nil
		out[i] = c
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
