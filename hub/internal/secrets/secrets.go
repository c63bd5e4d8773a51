// Package secrets keeps the values of secrets unreadable: sealed with the hub's key
// in the store, and encrypted to the one host that needs them on the way.
package secrets

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/nacl/box"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

const keySize = 32

// maxCache bounds what is kept of texts that were encrypted, in bytes.
const maxCache = 64 << 20

// Vault has the hub's key.
type Vault interface {
	Seal(name string, data []byte) []byte
	Unseal(name string, sealed []byte) ([]byte, error)
	// Stream is endless bytes that look random, the same for the same purpose.
	Stream(purpose string) (io.Reader, error)
}

// Secrets seals and encrypts. It is safe for use by several goroutines.
type Secrets struct {
	vault Vault
	mark  []byte // the key of fingerprints

	mu    sync.Mutex        // guards the rest
	cache map[string]string // texts, by what they are of
	size  int
}

// New derives what it needs of the vault's key.
func New(vault Vault) (*Secrets, error) {
	stream, err := vault.Stream("fingerprints of secrets")
	if err != nil {
		return nil, fmt.Errorf("derive the key of fingerprints: %w", err)
	}
	s := &Secrets{vault: vault, mark: make([]byte, keySize), cache: map[string]string{}}
	if _, err := io.ReadFull(stream, s.mark); err != nil {
		return nil, fmt.Errorf("derive the key of fingerprints: %w", err)
	}
	return s, nil
}

// Secret seals the value of a secret.
func (s *Secrets) Secret(key fleet.SecretKey, value []byte) fleet.SealedValue {
	return s.seal(turn.SecretName(key), value)
}

// Registry seals what a registry is told.
func (s *Secrets) Registry(host string, login fleet.Credentials) (fleet.SealedValue, error) {
	raw, err := json.Marshal(login)
	if err != nil {
		return fleet.SealedValue{}, errors.New("write the login")
	}
	return s.seal(turn.RegistryName(host), raw), nil
}

func (s *Secrets) seal(name string, value []byte) fleet.SealedValue {
	return fleet.SealedValue{Sealed: s.vault.Seal(name, value), Fingerprint: s.fingerprint(name, value), Size: len(value)}
}

// fingerprint tells values under the same name apart. Without the key nobody can try
// whether a guess is right.
func (s *Secrets) fingerprint(name string, value []byte) string {
	mac := hmac.New(sha256.New, s.mark)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	mac.Write([]byte(name))
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil))
}

// Encrypt makes of a sealed value a text that only the recipient can read: the same
// text each time, so that a host's desired state stays what it was. The key of each
// box is derived from what is in it and for whom it is, so that none is ever used for
// two contents.
func (s *Secrets) Encrypt(recipient, name string, revision int, value fleet.SealedValue) (string, error) {
	purpose := fmt.Sprintf("box for %q of %q %d %q", recipient, name, revision, value.Fingerprint)
	if text, known := s.cached(purpose); known {
		return text, nil
	}
	raw, err := base64.StdEncoding.DecodeString(recipient)
	if err != nil || len(raw) != keySize {
		return "", errors.New("the recipient's key is none")
	}
	plain, err := s.vault.Unseal(name, value.Sealed)
	if err != nil {
		return "", err
	}
	if !hmac.Equal([]byte(s.fingerprint(name, plain)), []byte(value.Fingerprint)) {
		return "", fmt.Errorf("%s isn't what its fingerprint says", name)
	}
	stream, err := s.vault.Stream(purpose)
	if err != nil {
		return "", err
	}
	sealed, err := box.SealAnonymous(nil, plain, (*[keySize]byte)(raw), stream)
	if err != nil {
		return "", fmt.Errorf("encrypt %s: %w", name, err)
	}
	text := base64.StdEncoding.EncodeToString(sealed)
	s.keep(purpose, text)
	return text, nil
}

func (s *Secrets) cached(purpose string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, known := s.cache[purpose]
	return text, known
}

func (s *Secrets) keep(purpose, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size += len(purpose) + len(text); s.size > maxCache {
		s.cache, s.size = map[string]string{}, len(purpose)+len(text)
	}
	s.cache[purpose] = text
}
