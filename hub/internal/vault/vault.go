// Package vault keeps the hub's secrets unreadable at rest: what goes into the
// store is sealed with a key that is in a file of its own, so that neither the
// store nor a backup of it tells anything.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// keySize is the length of the key in bytes: AES-256, and room for none else.
const keySize = 32

// Vault seals and opens. It is safe for use by several goroutines.
type Vault struct {
	key  []byte
	aead cipher.AEAD
}

// Open reads the key from its file.
func Open(path string) (*Vault, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the hub's key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fleet.Invalid("master-key", "%s can be read by others (mode %04o)", path, mode).WithHint("chmod 600 %s", path)
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the hub's key: %w", err)
	}
	return New(path, key)
}

// Create makes a key and its file, unless there is one.
func Create(path string) (*Vault, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return Open(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the hub's key: %w", err)
	}
	key := make([]byte, keySize)
	rand.Read(key)
	if err := renameio.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("write the hub's key: %w", err)
	}
	return New(path, key)
}

// New makes a vault of a key; path is for errors.
func New(path string, key []byte) (*Vault, error) {
	if len(key) != keySize {
		return nil, fleet.Invalid("master-key", "%s has %d bytes instead of %d: it is not the hub's key, or damaged", path, len(key), keySize).
			WithHint("put back the copy of it that is kept with the hub's backups")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Vault{key: key, aead: aead}, nil
}

// Seal makes data unreadable. It opens again under the same name only.
func (v *Vault) Seal(name string, data []byte) []byte {
	return v.aead.Seal(nil, nil, data, []byte(name))
}

// Unseal gives back what was sealed under the name.
func (v *Vault) Unseal(name string, sealed []byte) ([]byte, error) {
	data, err := v.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, &fleet.Error{
			Code: fleet.CodeUnavailable, Path: "master-key", Message: name + " was sealed with another key than this hub has, or is damaged",
			Hint: "start the hub with the key file that belongs to this store",
		}
	}
	return data, nil
}

// Stream is an endless source of bytes that look random, the same for the same
// key and purpose.
func (v *Vault) Stream(purpose string) (io.Reader, error) {
	seed, err := hkdf.Key(sha256.New, v.key, nil, "muster "+purpose, keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(seed)
	if err != nil {
		return nil, err
	}
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, aes.BlockSize)), R: zeros{}}, nil
}

// zeros reads as zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
