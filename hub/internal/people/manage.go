package people

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func unauthenticated(format string, args ...any) *fleet.Error {
	return &fleet.Error{Code: fleet.CodeUnauthenticated, Message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) *fleet.Error {
	return &fleet.Error{Code: fleet.CodeForbidden, Message: fmt.Sprintf(format, args...)}
}

func noAccount(name string) error {
	return fleet.NotFound("there is no user %q", fleet.Clip(name, 80)).WithHint("muster user ls lists them")
}

// Accounts lists them by name.
func (p *People) Accounts() []fleet.Account {
	p.mu.RLock()
	defer p.mu.RUnlock()
	now := p.options.Now()
	tokens, sessions := map[string]int{}, map[string]int{}
	for _, t := range p.tokens {
		switch {
		case !t.session():
			tokens[t.Account]++
		case !t.expired(now):
			sessions[t.Account]++
		}
	}
	list := []fleet.Account{}
	for _, name := range slices.Sorted(maps.Keys(p.accounts)) {
		a := p.accounts[name]
		list = append(list, fleet.Account{
			Name: name, Role: a.Role, Disabled: a.Disabled, Password: a.Password != "", Created: a.Created, By: a.By,
			Tokens: tokens[name], Sessions: sessions[name],
		})
	}
	return list
}

// newAccount makes one. Without a password, only API tokens let it in. Its caller
// holds deciding; hashing takes a moment, and changes are rare.
func (p *People) newAccount(name string, role fleet.Role, password, by string, now time.Time) (account, error) {
	if err := fleet.ValidateAccount(name); err != nil {
		return account{}, err
	}
	if err := role.Validate(); err != nil {
		return account{}, err
	}
	if _, known := p.accounts[name]; known {
		return account{}, fleet.Conflict("", "there is a user %s already", name).WithHint("muster user role %s ROLE changes what it may, muster user passwd %s its password", name, name)
	}
	if len(p.accounts) >= mostAccounts {
		return account{}, fleet.Conflict("", "there are %d users already", mostAccounts)
	}
	a := account{Role: role, Created: now, By: by}
	if password != "" {
		if err := validatePassword(name, password); err != nil {
			return account{}, err
		}
		a.Password = hashPassword(password, p.options.Cost).String()
	}
	return a, nil
}

// AddAccount makes an account; an empty password: only API tokens let it in.
func (p *People) AddAccount(by fleet.Principal, name string, role fleet.Role, password string) error {
	err := p.admin(by, "user-add", name, func(d *draft, now time.Time) (string, error) {
		a, err := p.newAccount(name, role, password, by.Name, now)
		if err != nil {
			return "", err
		}
		d.accounts[name] = &a
		return "as " + string(role), nil
	})
	if err == nil {
		p.settleFirst()
	}
	return err
}

// SetRole changes what an account may, from the next request on.
func (p *People) SetRole(by fleet.Principal, name string, role fleet.Role) error {
	return p.admin(by, "user-role", name, func(d *draft, _ time.Time) (string, error) {
		a, known := p.accounts[name]
		if err := role.Validate(); err != nil {
			return "", err
		}
		if !known {
			return "", noAccount(name)
		}
		if a.Role == role {
			return "it is " + string(role) + " already", nil
		}
		if role != fleet.RoleAdmin {
			if err := p.keepsAdmin(by, name); err != nil {
				return "", err
			}
		}
		message := fmt.Sprintf("from %s to %s", a.Role, role)
		a.Role = role
		d.accounts[name], d.cut = &a, []string{name}
		return message, nil
	})
}

// SetDisabled keeps an account and lets nobody in by it, or lets them in again.
func (p *People) SetDisabled(by fleet.Principal, name string, disabled bool) error {
	do := "user-enable"
	if disabled {
		do = "user-disable"
	}
	return p.admin(by, do, name, func(d *draft, _ time.Time) (string, error) {
		a, known := p.accounts[name]
		if !known {
			return "", noAccount(name)
		}
		if a.Disabled == disabled {
			return "as before", nil
		}
		if disabled {
			if err := p.keepsAdmin(by, name); err != nil {
				return "", err
			}
			d.cut = []string{name}
			p.endSessions(d, name)
		}
		a.Disabled = disabled
		d.accounts[name] = &a
		return "", nil
	})
}

// RemoveAccount removes an account with its tokens and sessions.
func (p *People) RemoveAccount(by fleet.Principal, name string) error {
	err := p.admin(by, "user-remove", name, func(d *draft, _ time.Time) (string, error) {
		if _, known := p.accounts[name]; !known {
			return "", noAccount(name)
		}
		if err := p.keepsAdmin(by, name); err != nil {
			return "", err
		}
		d.accounts[name], d.cut = nil, []string{name}
		for id, t := range p.tokens {
			if t.Account == name {
				d.tokens[id] = nil
			}
		}
		return "", nil
	})
	if err == nil {
		p.settleFirst()
	}
	return err
}

// SetPassword sets one's own password, by the one that it has; an admin sets
// others'. It ends the account's sessions; API tokens stay.
func (p *People) SetPassword(by fleet.Principal, name, old, password string) error {
	own := by.Name == name && by.Via != fleet.ViaSocket
	if own {
		p.mu.RLock()
		has := p.accounts[name].Password != ""
		p.mu.RUnlock()
		if _, err := p.check(name, old, by.From); has && err != nil {
			p.Refused(fleet.AuditEntry{Who: by.Name, Role: by.Role, Via: by.Via, From: by.From, Do: "user-password", Subject: subjectUser(name), Message: "the old password is wrong"})
			if fleet.CodeOf(err) == fleet.CodeUnavailable {
				return err
			}
			return forbidden("the old password is wrong").WithHint("an admin can set a new one without it: muster user passwd %s", name)
		}
	}
	return p.change(by, "user-password", subjectUser(name), func(d *draft, _ time.Time) (string, error) {
		a, known := p.accounts[name]
		if !own && by.Role != fleet.RoleAdmin {
			return "", forbidden("only an admin sets others' passwords")
		}
		if !known {
			return "", noAccount(name)
		}
		if err := validatePassword(name, password); err != nil {
			return "", err
		}
		a.Password = hashPassword(password, p.options.Cost).String()
		d.accounts[name], d.cut = &a, []string{name}
		p.endSessions(d, name)
		return "", nil
	})
}

func (p *People) endSessions(d *draft, name string) {
	for id, t := range p.tokens {
		if t.Account == name && t.session() {
			d.tokens[id] = nil
		}
	}
}

// admin is a change that only an admin may ask for.
func (p *People) admin(by fleet.Principal, do, name string, decide func(*draft, time.Time) (string, error)) error {
	return p.change(by, do, subjectUser(fleet.Clip(name, 80)), func(d *draft, now time.Time) (string, error) {
		if by.Role != fleet.RoleAdmin {
			return "", forbidden("only an admin may do that")
		}
		return decide(d, now)
	})
}

// keepsAdmin refuses what would leave nobody who may let others in. Root on the
// hub's machine always may, so it may do that too. Its caller holds deciding.
func (p *People) keepsAdmin(by fleet.Principal, without string) error {
	if a := p.accounts[without]; by.Via == fleet.ViaSocket || a.Role != fleet.RoleAdmin || a.Disabled {
		return nil
	}
	for name, a := range p.accounts {
		if name != without && a.Role == fleet.RoleAdmin && !a.Disabled {
			return nil
		}
	}
	return fleet.Conflict("", "%s is the last admin", without).
		WithHint("make another one first (muster user role NAME admin), or do it as root on the hub's machine, through its socket")
}

// Tokens lists the API tokens of an account, or of all when it is empty. Others'
// are an admin's to see.
func (p *People) Tokens(by fleet.Principal, name string) ([]fleet.APIToken, error) {
	if by.Name != name && by.Role != fleet.RoleAdmin {
		return nil, forbidden("only an admin sees others' API tokens")
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if _, known := p.accounts[name]; !known && name != "" {
		return nil, noAccount(name)
	}
	p.usedMu.Lock()
	defer p.usedMu.Unlock()
	list := []fleet.APIToken{}
	for id, t := range p.tokens {
		if t.session() || name != "" && t.Account != name {
			continue
		}
		if u, fresh := p.used[id]; fresh {
			t.Used, t.From = u.at.UTC(), u.from
		}
		list = append(list, t.view())
	}
	slices.SortFunc(list, func(a, b fleet.APIToken) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

func (t token) view() fleet.APIToken {
	v := fleet.APIToken{Account: t.Account, Name: t.Name, Role: t.Role, Created: t.Created, By: t.By, From: t.From}
	if !t.Expires.IsZero() {
		v.Expires = &t.Expires
	}
	if !t.Used.IsZero() {
		v.Used = &t.Used
	}
	return v
}

// AddToken makes an API token and returns what it has to say, which is stored
// nowhere. It may at most what its account may. ttl 0: it never expires.
//
// Who came by an API token has another name than its account, so a program can't
// make itself a second token that outlives the first, unless it is an admin.
func (p *People) AddToken(by fleet.Principal, owner, name string, role fleet.Role, ttl time.Duration) (string, fleet.APIToken, error) {
	b := newBearer()
	var made token
	err := p.change(by, "api-token-add", subjectToken(owner, name), func(d *draft, now time.Time) (string, error) {
		if by.Name != owner && by.Role != fleet.RoleAdmin {
			return "", forbidden("only an admin makes API tokens for others")
		}
		a, known := p.accounts[owner]
		if !known {
			return "", noAccount(owner)
		}
		if err := fleet.ValidateAccount(name); err != nil {
			return "", err
		}
		if err := role.Validate(); err != nil {
			return "", err
		}
		switch _, taken := p.named(owner, name); {
		case taken:
			return "", fleet.Conflict("", "%s has an API token %s already", owner, name).WithHint("take it back first: muster api-token rm %s --user %s", name, owner)
		case !a.Role.Allows(role):
			return "", forbidden("%s is %s, and its API tokens may at most the same", owner, a.Role).WithHint("say --role %s or less", a.Role)
		case ttl < 0:
			return "", fleet.Invalid("ttl", "%s is in the past", ttl)
		case p.count(owner) >= mostTokens:
			return "", fleet.Conflict("", "%s has %d API tokens already", owner, mostTokens).WithHint("muster api-token ls --user %s shows which aren't used", owner)
		}
		made = token{Account: owner, Name: name, Role: role, Sum: b.sum(), Created: now, By: by.Name}
		message := "as " + string(role)
		if ttl > 0 {
			made.Expires = now.Add(ttl).Truncate(time.Second)
			message += ", until " + made.Expires.Format(time.DateTime) + " UTC"
		}
		d.tokens[b.id] = &made
		return message, nil
	})
	if err != nil {
		return "", fleet.APIToken{}, err
	}
	return b.text(), made.view(), nil
}

// RemoveToken takes an API token back.
func (p *People) RemoveToken(by fleet.Principal, owner, name string) error {
	return p.change(by, "api-token-remove", subjectToken(owner, name), func(d *draft, _ time.Time) (string, error) {
		if by.Name != owner && by.Name != owner+"/"+name && by.Role != fleet.RoleAdmin {
			return "", forbidden("only an admin takes others' API tokens back")
		}
		id, known := p.named(owner, name)
		if !known {
			return "", fleet.NotFound("%s has no API token %q", fleet.Clip(owner, 80), fleet.Clip(name, 80)).WithHint("muster api-token ls lists them")
		}
		d.tokens[id], d.cut = nil, []string{p.tokens[id].ends()}
		return "", nil
	})
}

func subjectToken(owner, name string) string {
	return "users/" + fleet.Clip(owner, 80) + "/api-tokens/" + fleet.Clip(name, 80)
}

func (p *People) named(owner, name string) (id string, known bool) {
	for id, t := range p.tokens {
		if t.Account == owner && t.Name == name && !t.session() {
			return id, true
		}
	}
	return "", false
}

func (p *People) count(owner string) (n int) {
	for _, t := range p.tokens {
		if t.Account == owner && !t.session() {
			n++
		}
	}
	return n
}
