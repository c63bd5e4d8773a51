package people

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

var seed = maphash.MakeSeed()

// Login lets in who comes over MQTT, with the account's password or with one of its
// API tokens in the place of it. A session's token isn't taken: it ends with a
// logout, and what was begun over MQTT wouldn't.
func (p *People) Login(name, password, from string) (fleet.Principal, error) {
	by := fleet.Principal{Name: shown(name), Via: fleet.ViaMQTT, From: from}
	var err error
	if strings.HasPrefix(password, tokenPrefix) {
		by, err = p.tokenLogin(name, password, from)
	} else {
		var a account
		a, err = p.check(name, password, from)
		by.Role = a.Role
	}
	p.noteLogin(by, err)
	if err != nil {
		return fleet.Principal{}, err
	}
	return by, nil
}

func (p *People) tokenLogin(name, text, from string) (fleet.Principal, error) {
	by := fleet.Principal{Name: shown(name), Via: fleet.ViaMQTT, From: from}
	id, t, a, err := p.find(text)
	if err == nil && (t.Account != name || t.session()) {
		err = wrongLogin()
	}
	if err != nil {
		return by, p.failedToken(err, from)
	}
	p.use(id, from)
	by.Name, by.Role = t.principal(), lesser(t.Role, a.Role)
	return by, nil
}

// Token lets in who comes with a token, a session's or a program's. Via is the
// caller's to say.
func (p *People) Token(text, from string) (fleet.Principal, error) {
	id, t, a, err := p.find(text)
	if err != nil {
		return fleet.Principal{}, p.failedToken(err, from)
	}
	p.use(id, from)
	by := fleet.Principal{Name: t.principal(), Role: a.Role, From: from}
	if !t.session() {
		by.Role = lesser(t.Role, a.Role)
	}
	return by, nil
}

// failedToken counts. A token that is right is let in whatever was wrong before: a
// program with an old one doesn't lock out its neighbours, and 256 bits aren't
// guessed.
func (p *People) failedToken(err error, from string) error {
	now := p.options.Now()
	if wait := p.tries.pause("", from, now); wait > 0 {
		return tooMany(wait)
	}
	p.tries.wrong("", from, now)
	return err
}

// find returns the record of a token that is right.
func (p *People) find(text string) (id string, t token, a account, err error) {
	b, wellFormed := parseBearer(text)
	p.mu.RLock()
	defer p.mu.RUnlock()
	t, known := p.tokens[b.id]
	if !wellFormed || !known || !b.matches(t.Sum) {
		return "", t, a, unauthenticated("this token isn't known, or was taken back").WithHint("log in anew: muster login")
	}
	a, known = p.accounts[t.Account]
	switch {
	case t.expired(p.options.Now()):
		return "", t, a, unauthenticated("%s has expired", t.told()).WithHint("log in anew: muster login; an admin or its owner makes API tokens: muster api-token create")
	case !known, a.Disabled:
		return "", t, a, unauthenticated("the account %s is disabled", t.Account).WithHint("an admin can enable it: muster user enable %s", t.Account)
	}
	return b.id, t, a, nil
}

func (t token) told() string {
	if t.session() {
		return "the session"
	}
	return "the API token " + t.principal()
}

func (p *People) use(id, from string) {
	p.usedMu.Lock()
	defer p.usedMu.Unlock()
	p.used[id] = use{p.options.Now(), from}
}

// check looks whether a password is right. It costs the same for every name, known
// or not, so that nobody learns which there are.
func (p *People) check(name, password, from string) (account, error) {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > mostWaiting {
		return account{}, (&fleet.Error{Code: fleet.CodeUnavailable, Message: "too many log in just now"}).WithHint("try again")
	}
	lane := &p.lanes[maphash.String(seed, network(from))%lanes]
	lane.Lock()
	defer lane.Unlock()
	now, key := p.options.Now(), fleet.Clip(name, 80)
	if wait := p.attempts.pause(key, from, now); wait > 0 {
		return account{}, tooMany(wait)
	}
	p.mu.RLock()
	a, known := p.accounts[name]
	p.mu.RUnlock()
	text := p.dummy
	if known && a.Password != "" {
		text = a.Password
	}
	if !p.matches(text, password) || !known || a.Password == "" || a.Disabled {
		p.attempts.wrong(key, from, now)
		return account{}, wrongLogin()
	}
	p.attempts.right(key, from, now)
	return a, nil
}

// matches checks a password, as many at a time as there are processors.
func (p *People) matches(text, password string) bool {
	if len(password) > mostPassword {
		return false
	}
	h, err := parsePHC(text)
	if err != nil {
		return false
	}
	p.checking <- struct{}{}
	defer func() { <-p.checking }()
	return h.matches(password)
}

// Enter begins a session for who has the right password.
func (p *People) Enter(name, password, from, via string) (fleet.Session, error) {
	by := fleet.Principal{Name: shown(name), Via: via, From: from}
	a, err := p.check(name, password, from)
	if err != nil {
		p.noteLogin(by, err)
		return fleet.Session{}, err
	}
	by.Role = a.Role
	var session fleet.Session
	err = p.change(by, "login", subjectUser(name), func(d *draft, now time.Time) (string, error) {
		again, known := p.accounts[name]
		if !known || again.Disabled || again.Password != a.Password {
			return "", wrongLogin()
		}
		session = p.begin(d, name, again.Role, now)
		return "logged in until " + session.Expires.Format(time.DateTime) + " UTC", nil
	})
	if err != nil {
		return fleet.Session{}, err
	}
	return session, nil
}

// begin makes a session part of a change. The oldest of too many ends.
func (p *People) begin(d *draft, name string, role fleet.Role, now time.Time) fleet.Session {
	var open []string
	for id, t := range p.tokens {
		if t.Account == name && t.session() {
			open = append(open, id)
		}
	}
	slices.SortFunc(open, func(a, b string) int { return p.tokens[a].Created.Compare(p.tokens[b].Created) })
	for i := 0; i <= len(open)-mostSessions; i++ {
		d.tokens[open[i]] = nil
		d.cut = append(d.cut, p.tokens[open[i]].ends())
	}
	b := newBearer()
	expires := now.Add(p.options.Session).Truncate(time.Second)
	d.tokens[b.id] = &token{Account: name, Sum: b.sum(), Created: now, By: name, Expires: expires}
	return fleet.Session{Name: name, Role: role, Token: b.text(), Expires: expires}
}

// Leave ends the session that a token is of.
func (p *People) Leave(by fleet.Principal, text string) error {
	id, t, _, err := p.find(text)
	if err != nil {
		return err
	}
	return p.change(by, "logout", subjectUser(t.Account), func(d *draft, _ time.Time) (string, error) {
		if !t.session() {
			return "", fleet.Conflict("", "%s is no session", t.told()).WithHint("it is taken back by: muster api-token rm %s --user %s", t.Name, t.Account)
		}
		d.tokens[id] = nil
		d.cut = append(d.cut, t.ends())
		return "logged out", nil
	})
}

// noteLogin writes down who came in over MQTT, and who didn't come in at all.
func (p *People) noteLogin(by fleet.Principal, err error) {
	entry := fleet.AuditEntry{Who: by.Name, Role: by.Role, Via: by.Via, From: by.From, Do: "login", Result: fleet.AuditDone}
	during := gatheredFor
	if err != nil {
		entry.Result, entry.Message, during = fleet.AuditRefused, plain(err), gathered
		if fleet.CodeOf(err) == fleet.CodeUnavailable {
			entry.Message = "too many attempts" // the time left differs each time
		}
	}
	p.note(p.trail.add(entry, during, p.options.Now()))
}

// shown is a name as it may be written down: not if it is a token.
func shown(name string) string {
	if strings.Contains(name, tokenPrefix) {
		return "(a token)"
	}
	return fleet.Clip(name, 80)
}

func subjectUser(name string) string { return "users/" + name }

func wrongLogin() error {
	return unauthenticated("the name or the password is wrong").WithHint("an admin can set a new one: muster user passwd NAME")
}
