package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/nacl/box"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/fleet"
)

// fakeVault has a key, and counts what it opens.
type fakeVault struct {
	key    byte
	opened atomic.Int32
}

func (v *fakeVault) Seal(name string, data []byte) []byte {
	return append([]byte{v.key, byte(len(name))}, append([]byte(name), data...)...)
}

func (v *fakeVault) Unseal(name string, sealed []byte) ([]byte, error) {
	v.opened.Add(1)
	rest, ok := bytes.CutPrefix(sealed, append([]byte{v.key, byte(len(name))}, name...))
	if !ok {
		return nil, errors.New("another key, or another name")
	}
	return rest, nil
}

func (v *fakeVault) Stream(purpose string) (io.Reader, error) {
	seed := sha256.Sum256(append([]byte{v.key}, purpose...))
	block, err := aes.NewCipher(seed[:])
	if err != nil {
		return nil, err
	}
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, aes.BlockSize)), R: zeros{}}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func newSecrets(t *testing.T, key byte) (*Secrets, *fakeVault) {
	t.Helper()
	vault := &fakeVault{key: key}
	s, err := New(vault)
	if err != nil {
		t.Fatal(err)
	}
	return s, vault
}

// recipient is a host's key.
type recipient struct {
	text            string
	public, private *[32]byte
}

func newRecipient(t testing.TB) recipient {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return recipient{base64.StdEncoding.EncodeToString(public[:]), public, private}
}

func (r recipient) open(text string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(text)
	value, ok := box.OpenAnonymous(nil, raw, r.public, r.private)
	return string(value), ok && err == nil
}

var dbKey = fleet.SecretKey{Project: "shop", Name: "db"}

func TestOnlyTheRecipientReadsIt(t *testing.T) {
	s, _ := newSecrets(t, 1)
	one, other := newRecipient(t), newRecipient(t)
	sealed := s.Secret(dbKey, []byte("hunter2"))
	text, err := s.Encrypt(one.text, turn.SecretName(dbKey), 3, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := one.open(text); !ok || value != "hunter2" {
		t.Errorf("its recipient reads %q, %v", value, ok)
	}
	if value, ok := other.open(text); ok {
		t.Errorf("another one reads %q", value)
	}
	login, err := s.Registry("docker.io", fleet.Credentials{Username: "ann", Password: `a"b`})
	if err != nil {
		t.Fatal(err)
	}
	text, err = s.Encrypt(one.text, turn.RegistryName("docker.io"), 1, login)
	if value, ok := one.open(text); err != nil || !ok || value != `{"username":"ann","password":"a\"b"}` {
		t.Errorf("%q, %v, %v", value, ok, err)
	}
}

// The text is the same for ever, also of a hub that was started anew and sealed the
// value again; and different for whatever differs.
func TestTheTextIsTheSameForTheSame(t *testing.T) {
	host := newRecipient(t)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "value")
		name := turn.SecretName(dbKey)
		encrypt := func(key byte, to, name string, secret fleet.SecretKey, revision int, value []byte) string {
			vault := &fakeVault{key: key}
			s, err := New(vault)
			if err != nil {
				t.Fatal(err)
			}
			first, err := s.Encrypt(to, name, revision, s.Secret(secret, value))
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.Encrypt(to, name, revision, s.Secret(secret, value))
			if err != nil || again != first {
				t.Fatalf("%s, then %s, %v", first, again, err)
			}
			return first
		}
		want := encrypt(1, host.text, name, dbKey, 1, value)
		if got := encrypt(1, host.text, name, dbKey, 1, value); got != want {
			t.Fatal("another hub of the same key makes another text")
		}
		key := fleet.SecretKey{Project: "shop", Name: "other"}
		seen := map[string]bool{ephemeral(t, want): true}
		for what, text := range map[string]string{
			"another value":     encrypt(1, host.text, name, dbKey, 1, append(bytes.Clone(value), 0)),
			"another revision":  encrypt(1, host.text, name, dbKey, 2, value),
			"another secret":    encrypt(1, host.text, turn.SecretName(key), key, 1, value),
			"another recipient": encrypt(1, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32)), name, dbKey, 1, value),
			"another hub's key": encrypt(2, host.text, name, dbKey, 1, value),
		} {
			if seen[ephemeral(t, text)] {
				t.Fatalf("%s has a key that another has", what)
			}
			seen[ephemeral(t, text)] = true
		}
	})
}

// ephemeral is the public key of a box.
func ephemeral(t *rapid.T, text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < 48 {
		t.Fatal("it is no box")
	}
	return string(raw[:32])
}

func TestWhatIsNotAsItSaysIsNotEncrypted(t *testing.T) {
	s, _ := newSecrets(t, 1)
	host, name := newRecipient(t), turn.SecretName(dbKey)
	good := s.Secret(dbKey, []byte("value1"))
	mixed := s.Secret(dbKey, []byte("value2"))
	mixed.Fingerprint = good.Fingerprint // its box would have the key of another content
	other, _ := newSecrets(t, 2)
	for what, test := range map[string]struct {
		to, name string
		value    fleet.SealedValue
	}{
		"another fingerprint": {host.text, name, mixed},
		"another name":        {host.text, "secrets/shop/other", good},
		"another hub's":       {host.text, name, other.Secret(dbKey, []byte("value1"))},
		"nobody":              {"", name, good},
		"no key":              {"bm8=", name, good},
		"damaged":             {host.text, name, fleet.SealedValue{Fingerprint: good.Fingerprint}},
	} {
		if text, err := s.Encrypt(test.to, test.name, 1, test.value); err == nil {
			t.Errorf("%s is encrypted: %s", what, text)
		} else if strings.Contains(err.Error(), "value1") || strings.Contains(err.Error(), "value2") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTextsAreKept(t *testing.T) {
	s, vault := newSecrets(t, 1)
	host := newRecipient(t)
	sealed := s.Secret(dbKey, bytes.Repeat([]byte("x"), fleet.MaxSecret))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if _, err := s.Encrypt(host.text, turn.SecretName(dbKey), 1, sealed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if n := vault.opened.Load(); n > 4 {
		t.Errorf("opened %d times", n)
	}
	for i := range 1000 {
		if _, err := s.Encrypt(host.text, turn.SecretName(dbKey), i, sealed); err != nil {
			t.Fatal(err)
		}
	}
	if s.size > maxCache {
		t.Errorf("%d bytes are kept", s.size)
	}
}

func TestFingerprints(t *testing.T) {
	s, _ := newSecrets(t, 1)
	other, _ := newSecrets(t, 2)
	seen := map[string]bool{}
	for _, v := range []fleet.SealedValue{
		s.Secret(dbKey, []byte("one")), s.Secret(dbKey, []byte("two")), s.Secret(fleet.SecretKey{Project: "shop", Name: "dbo"}, []byte("ne")), other.Secret(dbKey, []byte("one")),
	} {
		if seen[v.Fingerprint] || len(v.Fingerprint) != 64 {
			t.Errorf("%s", v.Fingerprint)
		}
		seen[v.Fingerprint] = true
	}
	if first, again := s.Secret(dbKey, []byte("one")), s.Secret(dbKey, []byte("one")); first.Fingerprint != again.Fingerprint {
		t.Error("the same value has two")
	}
}
