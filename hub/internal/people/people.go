package people

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	mostAccounts = 10_000
	mostTokens   = 100 // API tokens of one account
	mostSessions = 20  // of one account; the oldest gives way
	lanes        = 64
	mostWaiting  = 256                 // who waits for a password to be checked
	keptExpired  = 30 * 24 * time.Hour // an API token that has expired is still listed
	sweep        = 5 * time.Second
	usedWritten  = time.Minute // how often it is written down when tokens were used
)

// Options of People.
type Options struct {
	Store    Store
	StateDir string // where the first admin's secret is
	Logger   *slog.Logger
	// Changed is told the name of an account ("ann") or an API token ("ann/ci")
	// that may less than before, or nothing: what was begun with it has to end, and
	// with an account what was begun with its tokens. "ann/": a session of ann's is
	// over, and whoever doesn't know which of them looks at all.
	Changed func(name string)
	Cost    Cost
	Session time.Duration // how long a login lasts
	Now     func() time.Time
}

// DefaultOptions lack Store, StateDir and Logger.
func DefaultOptions() Options {
	return Options{Cost: usualCost, Session: 12 * time.Hour, Now: time.Now, Changed: func(string) {}}
}

// People are all accounts and tokens.
type People struct {
	options  Options
	attempts *attempts // of names with passwords
	tries    *attempts // of tokens: a program with an old one doesn't keep its neighbours out
	trail    *trail
	dummy    string // what is compared for a name that has no password

	checking chan struct{}     // one place for each password that is checked
	waiting  atomic.Int32      // who waits for one
	lanes    [lanes]sync.Mutex // of an address, one attempt is looked at at a time

	deciding sync.Mutex // one change at a time, until it is on disk
	first    *offer     // guarded by deciding; nil: there is an account

	mu       sync.RWMutex // guards what follows
	accounts map[string]account
	tokens   map[string]token // by id

	usedMu sync.Mutex     // guards used
	used   map[string]use // by a token's id: what isn't written down yet
}

type use struct {
	at   time.Time
	from string
}

// New makes them, without any account. Load fills them, then Begin.
func New(o Options) *People {
	return &People{
		options: o, attempts: newAttempts(), tries: newAttempts(), trail: newTrail(o.Store),
		dummy:    hashPassword("", o.Cost).String(),
		checking: make(chan struct{}, max(1, runtime.GOMAXPROCS(0))),
		accounts: map[string]account{}, tokens: map[string]token{}, used: map[string]use{},
	}
}

// Tell has somebody told of changes, see Options. It is called before Run.
func (p *People) Tell(changed func(name string)) { p.options.Changed = changed }

// Load puts one stored record back.
func (p *People) Load(table, key string, value []byte) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch table {
	case accountsTable:
		p.accounts[key], err = parseAccount(key, value)
	case tokensTable:
		p.tokens[key], err = parseToken(key, value)
	}
	return err
}

// Begin makes the secret for the first admin if nobody is there yet. It is called
// once, after everything was loaded.
func (p *People) Begin() error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	return p.offerFirst()
}

// Run removes what has expired and writes what was counted, until ctx is done.
func (p *People) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweep)
	defer ticker.Stop()
	last, written := p.options.Now(), p.options.Now()
	for {
		select {
		case <-ctx.Done():
			p.note(errors.Join(p.trail.flush(p.options.Now().Add(gatheredFor)), p.writeUsed()))
			return nil
		case <-ticker.C:
		}
		now := p.options.Now()
		p.note(errors.Join(p.trail.flush(now), p.expire(last, now)))
		last = now
		if now.Sub(written) >= usedWritten {
			written = now
			p.note(p.writeUsed())
		}
	}
}

func (p *People) note(err error) {
	if err != nil {
		p.options.Logger.Warn("what people did isn't written down", "error", err)
	}
}

// expire ends what was let in by tokens that have expired since last, and drops
// old ones.
func (p *People) expire(last, now time.Time) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	d := p.draft()
	for id, t := range p.tokens { // only who decides changes them
		if !t.expired(now) {
			continue
		}
		if !t.expired(last) {
			d.cut = append(d.cut, t.ends())
		}
		if t.session() || now.Sub(t.Expires) > keptExpired {
			d.tokens[id] = nil
		}
	}
	return p.commit(d)
}

func (p *People) writeUsed() error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.usedMu.Lock()
	used := maps.Clone(p.used)
	clear(p.used)
	p.usedMu.Unlock()
	d := p.draft()
	for id, u := range used {
		if t, known := p.tokens[id]; known {
			t.Used, t.From = u.at.UTC(), u.from
			d.tokens[id] = &t
		}
	}
	return p.commit(d)
}

// draft is a change that isn't decided yet: nil removes.
type draft struct {
	accounts map[string]*account
	tokens   map[string]*token
	cut      []string // who has to end what they began
}

func (p *People) draft() *draft {
	return &draft{accounts: map[string]*account{}, tokens: map[string]*token{}}
}

func (d *draft) rows() (rows []Change) {
	for _, name := range slices.Sorted(maps.Keys(d.accounts)) {
		if a := d.accounts[name]; a != nil {
			rows = append(rows, put(accountsTable, name, a))
		} else {
			rows = append(rows, drop(accountsTable, name))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.tokens)) {
		if t := d.tokens[id]; t != nil {
			rows = append(rows, put(tokensTable, id, t))
		} else {
			rows = append(rows, drop(tokensTable, id))
		}
	}
	return rows
}

// commit makes a change count, once it is on disk with what is said of it. Its
// caller holds deciding.
func (p *People) commit(d *draft, audit ...fleet.AuditEntry) error {
	rows := d.rows()
	if len(rows) > 0 || len(audit) > 0 {
		if err := p.options.Store.Keep(rows, audit...); err != nil {
			return err
		}
	}
	p.mu.Lock()
	apply(p.accounts, d.accounts)
	apply(p.tokens, d.tokens)
	p.mu.Unlock()
	for _, name := range d.cut {
		p.options.Changed(name)
	}
	return nil
}

func apply[T any](to map[string]T, changes map[string]*T) {
	for key, value := range changes {
		if value == nil {
			delete(to, key)
		} else {
			to[key] = *value
		}
	}
}

// change decides one thing that somebody asked for, and writes down what came of
// it, refusals too.
func (p *People) change(by fleet.Principal, do, subject string, decide func(d *draft, now time.Time) (message string, err error)) error {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	now := p.options.Now().UTC()
	entry := fleet.AuditEntry{Time: now, Who: by.Name, Role: by.Role, Via: by.Via, From: by.From, Do: do, Subject: subject, Result: fleet.AuditDone}
	d := p.draft()
	message, err := decide(d, now)
	if err != nil {
		entry.Result, entry.Message = fleet.AuditRefused, plain(err)
		p.note(p.trail.add(entry, gathered, now))
		return err
	}
	entry.Message = message
	return p.commit(d, entry)
}

// plain is an error's message, without the hint.
func plain(err error) string {
	var e *fleet.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// Refused writes down that somebody was turned away, or counts it if the same was
// just written.
func (p *People) Refused(entry fleet.AuditEntry) {
	entry.Result = fleet.AuditRefused
	p.note(p.trail.add(entry, gathered, p.options.Now()))
}

func lesser(a, b fleet.Role) fleet.Role {
	if a.Allows(b) {
		return b
	}
	return a
}
