package balancer

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
)

// shelf is a folder of certificates with the store that looks at it.
type shelf struct {
	*testing.T
	authority certs.Pair
	store     *Certificates
	now       time.Time
	pools     []fleet.Pool
	refuse    error // of the balancer
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{T: t, authority: certs.NewAuthority(t), now: time.Now()}
	s.pools = []fleet.Pool{{Service: fleet.ServiceKey{Project: "shop", Name: "web"}, Routes: []fleet.Route{{Hosts: []string{"a.example"}, Certificates: map[int][]string{443: {"a"}}}}}}
	s.store = &Certificates{
		Source: t.TempDir(), Dir: filepath.Join(t.TempDir(), "copies"), Log: slog.New(slog.DiscardHandler),
		Accepts: func(context.Context, string, string) error { return s.refuse },
	}
	return s
}

func (s *shelf) write(file string, parts ...[]byte) {
	s.Helper()
	path := filepath.Join(s.store.Source, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.Fatal(err)
	}
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) issue(of x509.Certificate) (chain, key []byte) {
	s.Helper()
	return s.authority.Issue(s, of).PEM(s)
}

// look looks twice, as long after each other as it takes, and returns what is in use.
func (s *shelf) look(filed ...fleet.Pool) (path, problem string) {
	s.Helper()
	for range 2 {
		s.now = s.now.Add(CertificatePause)
		s.store.Look(s.Context(), s.now, filed, s.pools)
	}
	return s.store.Paths()["a"], text(s.store.Missing(s.pools[0], fleet.Pool{}))
}

func TestTwoFilesAreNotReplacedAtOnce(t *testing.T) {
	s := newShelf(t)
	one := x509.Certificate{DNSNames: []string{"A.example"}}
	chain, key := s.issue(one)
	s.write("a/fullchain.pem", chain)
	s.write("a/privkey.pem", key)
	first, problem := s.look()
	if first == "" || problem != "" {
		t.Fatal(first, problem)
	}
	if names := s.store.Names()["a"]; len(names) != 1 || names[0] != "a.example" {
		t.Errorf("it is for %v", names)
	}
	next, nextKey := s.issue(one)
	s.write("a/fullchain.pem", next)
	s.now = s.now.Add(CertificatePause)
	s.store.Look(t.Context(), s.now, s.pools, s.pools)
	if err := s.store.Problem(s.pools); err != nil {
		t.Errorf("between two files it says %v", err)
	}
	s.write("a/privkey.pem", nextKey)
	if second, problem := s.look(); second == first || problem != "" {
		t.Errorf("in use is %s: %s", second, problem)
	}
	s.store.Sweep()
	if copies, err := os.ReadDir(s.store.Dir); err != nil || len(copies) != 1 {
		t.Errorf("copies %v, %v", copies, err)
	}
	if info, err := os.Stat(s.store.Paths()["a"]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// One that the balancer doesn't take, or that is to be valid later, is tried again, and
// what is there goes on meanwhile.
func TestWhatIsTakenLater(t *testing.T) {
	s := newShelf(t)
	chain, key := s.issue(x509.Certificate{DNSNames: []string{"a.example"}})
	s.write("a.pem", chain, key)
	s.refuse = errors.New("no such curve")
	if path, problem := s.look(); path != "" || problem != "certificate a: no such curve" {
		t.Fatal(path, problem)
	}
	s.refuse = nil
	s.now = s.now.Add(acceptPause)
	first, problem := s.look()
	if first == "" || problem != "" {
		t.Fatal(first, problem)
	}
	later, laterKey := s.issue(x509.Certificate{DNSNames: []string{"a.example"}, NotBefore: s.now.Add(time.Minute), NotAfter: s.now.Add(time.Hour)})
	s.write("a.pem", later, laterKey)
	if path, problem := s.look(s.pools...); path != first || !strings.Contains(problem, "it isn't valid before") || s.store.Problem(s.pools) == nil {
		t.Errorf("%s: %s", path, problem)
	}
	if err := s.store.Missing(s.pools[0], s.pools[0]); err != nil {
		t.Errorf("who has one can't go on: %v", err)
	}
	s.now = s.now.Add(time.Minute)
	second, problem := s.look(s.pools...)
	if second == first || problem != "" || s.store.Problem(s.pools) != nil {
		t.Errorf("%s: %s", second, problem)
	}
	s.now = s.now.Add(2 * time.Hour)
	if path, problem := s.look(s.pools...); path != second || !strings.Contains(problem, "it expired at") {
		t.Errorf("%s: %s", path, problem)
	}
	again := &Certificates{Source: s.store.Source, Dir: s.store.Dir, Log: s.store.Log}
	s.store = again // an agent that starts
	if path, problem := s.look(s.pools...); path != second || !strings.Contains(problem, "it expired at") {
		t.Errorf("after a start %s: %s", path, problem)
	}
}

func TestOddFilesOfCertificates(t *testing.T) {
	s := newShelf(t)
	chain, key := s.issue(x509.Certificate{DNSNames: []string{"a.example"}})
	for says, parts := range map[string][][]byte{
		"more than one key":          {chain, key, key},
		"lacks a certificate":        {key},
		"has more than 1048576":      {chain, key, make([]byte, maxCertificate)},
		"lacks a certificate or its": {chain},
	} {
		s.write("a.pem", parts...)
		if path, problem := s.look(); path != "" || !strings.Contains(problem, says) {
			t.Errorf("%s: %s, %s", says, path, problem)
		}
	}
	if err := os.Remove(filepath.Join(s.store.Source, "a.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.store.Source, "a.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	if path, problem := s.look(); path != "" || !strings.Contains(problem, "is no file") {
		t.Errorf("%s: %s", path, problem)
	}
}

// FuzzCertificate: whatever is in a file, what is taken is a chain with its key and
// nothing else, and taken again it is the same.
func FuzzCertificate(f *testing.F) {
	chain, key := certs.NewAuthority(f).PEM(f)
	f.Add(append(chain, key...))
	f.Add(append([]byte("text\n"), key...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := parseCertificate(data)
		if err != nil {
			return
		}
		again, err := parseCertificate(read.content)
		if err != nil || string(again.content) != string(read.content) || again.file("a") != read.file("a") {
			t.Errorf("taken again it is %q, %v", again.content, err)
		}
	})
}
