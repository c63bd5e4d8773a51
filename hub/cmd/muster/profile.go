package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

const profileFile = "credentials.yaml"

// profile is what a login leaves: which hub, how it is known, and a session's token.
type profile struct {
	Hub     string    `yaml:"hub"`
	Name    string    `yaml:"name"`
	Token   string    `yaml:"token,omitempty"`
	Expires time.Time `yaml:"expires,omitempty"`
	CA      string    `yaml:"ca,omitempty"`
}

// is says whether the profile is of the hub at a URL.
func (f profile) is(url string) bool {
	return f.Hub != "" && strings.TrimRight(url, "/") == strings.TrimRight(f.Hub, "/")
}

// readProfile reads what a login left; without one it is empty. What others can read
// is no secret any more, so it isn't used.
func (p *program) readProfile() (profile, error) {
	path := p.usual(profileFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return profile{}, nil
	}
	if err != nil {
		return profile{}, fmt.Errorf("read the credentials: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return profile{}, fleet.Conflict(path, "others can read it, and it has a token").WithHint("chmod 600 %s, and if somebody may have read it: muster logout", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return profile{}, fmt.Errorf("read the credentials: %w", err)
	}
	saved, err := parseProfile(data)
	if err != nil {
		return profile{}, fleet.Invalid(path, "it isn't what muster login writes").WithHint("remove it and log in anew: muster login")
	}
	return saved, nil
}

func parseProfile(data []byte) (saved profile, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	err = decoder.Decode(&saved)
	if err == nil && saved.Hub == "" {
		err = errors.New("no hub")
	}
	return saved, err
}

// writeProfile replaces it.
func (p *program) writeProfile(saved profile) error {
	data, err := yaml.Marshal(saved)
	if err != nil {
		return err
	}
	path := p.usual(profileFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save the credentials: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+profileFile+"-*") // its mode is 0600
	if err != nil {
		return fmt.Errorf("save the credentials: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save the credentials: %w", err)
	}
	return nil
}
