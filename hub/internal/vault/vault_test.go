package vault

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSealedOpensUnderItsNameAlone(t *testing.T) {
	v, err := Create(filepath.Join(t.TempDir(), "folder", "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := v.Seal("secrets/shop/db", []byte("hunter2"))
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Error("the value can be read")
	}
	if data, err := v.Unseal("secrets/shop/db", sealed); err != nil || string(data) != "hunter2" {
		t.Errorf("%q, %v", data, err)
	}
	for name, sealed := range map[string][]byte{"secrets/shop/other": sealed, "secrets/shop/db": append(bytes.Clone(sealed[:len(sealed)-1]), 0), "": nil} {
		if data, err := v.Unseal(name, sealed); err == nil {
			t.Errorf("%s: opened as %q", name, data)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := again.Unseal("a", first.Seal("a", []byte("x"))); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	for name, spoil := range map[string]func() error{
		"can be read by others": func() error { return os.Chmod(path, 0o640) },
		"instead of 32":         func() error { return os.WriteFile(path, []byte("short"), 0o600) },
	} {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStreamIsTheSameForTheSamePurpose(t *testing.T) {
	v, err := New("", bytes.Repeat([]byte{7}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	read := func(purpose string) string {
		r, err := v.Stream(purpose)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, 100)
		if _, err := io.ReadFull(r, out); err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if first := read("a"); first != read("a") || first == read("b") || strings.Count(read("a"), "\x00") > 10 {
		t.Error("not what was asked for")
	}
}
