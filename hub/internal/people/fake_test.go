package people

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap is a cost for tests.
var cheap = Cost{Memory: 16, Passes: 1, Threads: 1}

// memory is a store.
type memory struct {
	mu     sync.Mutex
	rows   map[string][]byte // by table and key
	said   []fleet.AuditEntry
	broken bool
}

func (m *memory) Keep(changes []Change, audit ...fleet.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return &fleet.Error{Code: fleet.CodeUnavailable, Message: "the disk is full"}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.rows, c.Table+" "+c.Key)
		} else {
			m.rows[c.Table+" "+c.Key] = c.Value
		}
	}
	m.said = append(m.said, audit...)
	return nil
}

func (m *memory) audit() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.said {
		out = append(out, strings.Join([]string{e.Who, e.Via, e.From, e.Do, e.Subject, e.Result, e.Message}, "|"))
	}
	return out
}

// all is everything that is stored, as text.
func (m *memory) all() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(m.rows)) {
		fmt.Fprintf(&b, "%s %s\n", key, m.rows[key])
	}
	fmt.Fprintf(&b, "%+v\n", m.said)
	return b.String()
}

// rig is people with a clock of their own.
type rig struct {
	*People
	t     *testing.T
	store *memory
	dir   string
	log   *bytes.Buffer
	mu    sync.Mutex
	at    time.Time
	cut   []string
}

func (r *rig) now() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.at }

func (r *rig) pass(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.at = r.at.Add(d) }

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, store: &memory{rows: map[string][]byte{}}, dir: t.TempDir(), log: &bytes.Buffer{}, at: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	r.open()
	return r
}

// open begins anew with what is stored.
func (r *rig) open() {
	r.t.Helper()
	o := DefaultOptions()
	o.Store, o.StateDir, o.Cost, o.Now = r.store, r.dir, cheap, r.now
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	r.People = New(o)
	r.Tell(func(name string) { r.cut = append(r.cut, name) })
	for key, value := range r.store.rows {
		table, key, _ := strings.Cut(key, " ")
		if err := r.Load(table, key, value); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.Begin(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) secret() string {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, firstFile))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

const good = "correct horse battery"

var (
	admin = fleet.Principal{Name: "root-of-all", Role: fleet.RoleAdmin, Via: fleet.ViaHTTPS, From: "192.0.2.1"}
	root  = fleet.Principal{Name: "root", Role: fleet.RoleAdmin, Via: fleet.ViaSocket, From: "uid 0"}
)

// person is a principal of an account.
func person(name string, role fleet.Role) fleet.Principal {
	return fleet.Principal{Name: name, Role: role, Via: fleet.ViaHTTPS, From: "192.0.2.9"}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// refused wants an error of a code that says something.
func (r *rig) refused(err error, code, says string) {
	r.t.Helper()
	if fleet.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
		r.t.Errorf("%v (%s); want %q (%s)", err, fleet.CodeOf(err), says, code)
	}
}

func (r *rig) folk() {
	r.t.Helper()
	r.must(r.AddAccount(admin, "ann", fleet.RoleAdmin, good))
	r.must(r.AddAccount(admin, "olga", fleet.RoleOperator, good))
	r.must(r.AddAccount(admin, "vic", fleet.RoleViewer, good))
}
