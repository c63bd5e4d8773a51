package people

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// firstFile has the secret by which the first admin is made. Who can read it, is
// root on the hub's machine or the hub's own user.
const firstFile = "first-admin"

const firstBytes = 20

// offer is the secret that stands in the file.
type offer struct{ sum [sha256.Size]byte }

// offerFirst writes the secret while there is no account, and removes it when there
// is one. Its caller holds deciding.
func (p *People) offerFirst() error {
	path := filepath.Join(p.options.StateDir, firstFile)
	if len(p.accounts) > 0 {
		p.first = nil
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the first admin's secret, which is no longer good for anything: %w", err)
		}
		return nil
	}
	if p.first != nil {
		return nil
	}
	var raw [firstBytes]byte
	rand.Read(raw[:])
	text := letters.EncodeToString(raw[:])
	if err := writePrivate(path, text+"\n"); err != nil {
		return fmt.Errorf("write the first admin's secret: %w", err)
	}
	p.first = &offer{sum: sha256.Sum256([]byte(text))}
	p.options.Logger.Info("there is no account yet: make the first admin with the secret in this file, or as root on this machine",
		"file", path, "how", "muster login --first-admin NAME")
	return nil
}

// writePrivate writes a file anew that only its owner can read, whatever was there.
func writePrivate(path, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // its mode is 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(text)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// First makes the first admin, and begins a session for it.
func (p *People) First(secret, name, password, from, via string) (fleet.Session, error) {
	by := fleet.Principal{Name: shown(name), Role: fleet.RoleAdmin, Via: via, From: from}
	const counted = "/" + firstFile // no account can be called so
	now := p.options.Now()
	if wait := p.attempts.pause(counted, from, now); wait > 0 {
		return fleet.Session{}, tooMany(wait)
	}
	var session fleet.Session
	var wrong bool
	err := p.change(by, "first-admin", subjectUser(by.Name), func(d *draft, now time.Time) (string, error) {
		sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
		if p.first == nil {
			return "", fleet.Conflict("", "there is an account already").WithHint("an admin makes others: muster user add; or root on the hub's machine")
		}
		if subtle.ConstantTimeCompare(sum[:], p.first.sum[:]) != 1 {
			wrong = true
			return "", unauthenticated("the secret isn't the one in the hub's %s", firstFile).WithHint("read it on the hub's machine: cat %s", filepath.Join(p.options.StateDir, firstFile))
		}
		a, err := p.newAccount(name, fleet.RoleAdmin, password, name, now)
		if err != nil {
			return "", err
		}
		d.accounts[name] = &a
		session = p.begin(d, name, a.Role, now)
		return "the first admin", nil
	})
	switch {
	case wrong:
		p.attempts.wrong(counted, from, now)
	case err == nil:
		p.settleFirst()
	}
	if err != nil {
		return fleet.Session{}, err
	}
	return session, nil
}

// settleFirst follows a change of who is there.
func (p *People) settleFirst() {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	if err := p.offerFirst(); err != nil {
		p.options.Logger.Warn("the first admin's secret", "error", err)
	}
}
