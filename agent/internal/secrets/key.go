package secrets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	keyFile = "secrets.key"
	keySize = 32
)

// openKey reads this host's key, or makes it. One that is damaged is set aside: the hub
// is told another, and encrypts to that.
func openKey(o Options) (private, public *[keySize]byte, err error) {
	path := filepath.Join(o.StateDir, keyFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read this host's key for secrets: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read this host's key for secrets: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, nil, fleet.Invalid("state-dir", "%s can be read by others (mode %04o)", path, mode).
			WithHint("chmod 600 %s; if somebody may have read it, remove it instead, and set the secrets anew", path)
	}
	if len(raw) != keySize {
		aside := path + ".damaged"
		o.Logger.Error("this host's key for secrets is damaged: making another", "aside", aside)
		if err := os.Rename(path, aside); err != nil {
			return nil, nil, fmt.Errorf("set the damaged key aside: %w", err)
		}
		return makeKey(path)
	}
	derived, err := curve25519.X25519(raw, curve25519.Basepoint)
	if err != nil {
		return nil, nil, fmt.Errorf("read this host's key for secrets: %w", err)
	}
	return (*[keySize]byte)(raw), (*[keySize]byte)(derived), nil
}

func makeKey(path string) (private, public *[keySize]byte, err error) {
	public, private, err = box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make this host's key for secrets: %w", err)
	}
	if err := renameio.WriteFile(path, private[:], 0o600); err != nil {
		return nil, nil, fmt.Errorf("write this host's key for secrets: %w", err)
	}
	return private, public, nil
}
