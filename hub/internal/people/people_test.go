package people

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

func TestTheFirstAdmin(t *testing.T) {
	r := start(t)
	secret := r.secret()
	if info, err := os.Stat(filepath.Join(r.dir, firstFile)); err != nil || info.Mode().Perm() != 0o600 || len(secret) != 32 {
		t.Fatalf("%v, %v, %d letters", info, err, len(secret))
	}
	if strings.Contains(r.log.String(), secret) || !strings.Contains(r.log.String(), firstFile) {
		t.Error("the log has the secret, or doesn't say where it is")
	}
	_, err := r.First("nonsense", "ann", good, "192.0.2.7", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeUnauthenticated, "the secret isn't the one in the hub's first-admin")
	_, err = r.First(secret, "Ann", good, "192.0.2.7", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeInvalid, `"Ann" is not a name`)
	_, err = r.First(secret, "ann", "short", "192.0.2.7", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeInvalid, "fewer than 10 characters")
	r.store.broken = true
	_, err = r.First(secret, "ann", good, "192.0.2.7", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeUnavailable, "disk is full")
	if r.store.broken = false; len(r.Accounts()) != 0 || r.secret() == "" {
		t.Error("what wasn't stored counts")
	}
	session, err := r.First(secret+"\n", "ann", good, "192.0.2.7", fleet.ViaHTTPS)
	r.must(err)
	if by, err := r.Token(session.Token, "192.0.2.7"); err != nil || by.Name != "ann" || by.Role != fleet.RoleAdmin {
		t.Errorf("%+v, %v", by, err)
	}
	if r.secret() != "" {
		t.Error("the secret stays")
	}
	_, err = r.First(secret, "eve", good, "192.0.2.7", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeConflict, "there is an account already")
	if strings.Contains(r.store.all(), secret) {
		t.Error("the secret is stored")
	}
	// Without any account there is a new one.
	r.must(r.RemoveAccount(root, "ann"))
	if again := r.secret(); again == "" || again == secret {
		t.Errorf("%q", again)
	}
}

func TestTheFirstAdminsSecretGoesWithAnAccount(t *testing.T) {
	r := start(t)
	r.must(r.AddAccount(root, "ann", fleet.RoleAdmin, ""))
	if r.secret() != "" {
		t.Error("it stays when root makes an account")
	}
	r.must(os.WriteFile(filepath.Join(r.dir, firstFile), []byte("left behind"), 0o600))
	if r.open(); r.secret() != "" {
		t.Error("it stays when the hub starts with accounts")
	}
}

func TestTheFirstAdminIsGuessedSlowly(t *testing.T) {
	r := start(t)
	for range freeAttempts {
		_, err := r.First("wrong", "ann", good, "192.0.2.7", fleet.ViaHTTPS)
		r.refused(err, fleet.CodeUnauthenticated, "secret")
	}
	_, err := r.First(r.secret(), "ann", good, "192.0.2.7", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeUnavailable, "too many attempts, try again in 2s")
}

func TestEachRefusalOfAChange(t *testing.T) {
	r := start(t)
	r.folk()
	token := func(by fleet.Principal, owner, name string, role fleet.Role, ttl time.Duration) error {
		_, _, err := r.AddToken(by, owner, name, role, ttl)
		return err
	}
	r.must(token(admin, "ann", "ci", fleet.RoleViewer, 0))
	vic, olga := person("vic", fleet.RoleViewer), person("olga", fleet.RoleOperator)
	r.must(r.SetRole(admin, "olga", fleet.RoleAdmin)) // so that ann isn't the last
	r.must(r.SetRole(admin, "olga", fleet.RoleOperator))
	_, listed := r.Tokens(vic, "ann")
	_, all := r.Tokens(vic, "")
	_, nobody := r.Tokens(admin, "nobody")
	for name, c := range map[string]struct {
		err        error
		code, says string
	}{
		"a taken name":             {r.AddAccount(admin, "ann", fleet.RoleViewer, good), "conflict", "there is a user ann already (muster user role ann ROLE"},
		"a bad name":               {r.AddAccount(admin, "-x", fleet.RoleViewer, good), "invalid", `"-x" is not a name (use a-z`},
		"a long name":              {r.AddAccount(admin, strings.Repeat("x", 64), fleet.RoleViewer, good), "invalid", "63 at most"},
		"a path":                   {r.AddAccount(admin, "../x", fleet.RoleViewer, good), "invalid", "is not a name"},
		"no role":                  {r.AddAccount(admin, "bob", "root", good), "invalid", `"root" is no role (there are viewer`},
		"a short password":         {r.AddAccount(admin, "bob", fleet.RoleViewer, "short"), "invalid", "fewer than 10 characters"},
		"a long password":          {r.AddAccount(admin, "bob", fleet.RoleViewer, strings.Repeat("ab", 200)), "invalid", "more than 256 bytes"},
		"the name as a password":   {r.AddAccount(admin, "bobbobbobbob", fleet.RoleViewer, "BobBobBobBob"), "invalid", "anybody would try that one first"},
		"one letter":               {r.AddAccount(admin, "bob", fleet.RoleViewer, "aaaaaaaaaaaa"), "invalid", "anybody would try"},
		"a password of two lines":  {r.AddAccount(admin, "bob", fleet.RoleViewer, "aaaaaaa\nbbbbbbb"), "invalid", "a line's end"},
		"a token as a password":    {r.AddAccount(admin, "bob", fleet.RoleViewer, "mst_something"), "invalid", "begins like an API token"},
		"an operator adds":         {r.AddAccount(olga, "bob", fleet.RoleViewer, good), "forbidden", "only an admin"},
		"an operator promotes":     {r.SetRole(olga, "olga", fleet.RoleAdmin), "forbidden", "only an admin"},
		"an operator removes":      {r.RemoveAccount(olga, "vic"), "forbidden", "only an admin"},
		"an operator disables":     {r.SetDisabled(olga, "vic", true), "forbidden", "only an admin"},
		"a role of nobody":         {r.SetRole(admin, "nobody", fleet.RoleAdmin), "not_found", `there is no user "nobody" (muster user ls`},
		"nobody is removed":        {r.RemoveAccount(admin, "nobody"), "not_found", "there is no user"},
		"nobody is disabled":       {r.SetDisabled(admin, "nobody", true), "not_found", "there is no user"},
		"nobody's password":        {r.SetPassword(admin, "nobody", "", good), "not_found", "there is no user"},
		"another's password":       {r.SetPassword(vic, "olga", good, good+"2"), "forbidden", "only an admin sets others' passwords"},
		"a wrong old password":     {r.SetPassword(vic, "vic", "wrong", good+"2"), "forbidden", "the old password is wrong"},
		"a bad new password":       {r.SetPassword(vic, "vic", good, "short"), "invalid", "fewer than"},
		"the last admin's role":    {r.SetRole(person("ann", fleet.RoleAdmin), "ann", fleet.RoleViewer), "conflict", "ann is the last admin (make another one first"},
		"the last admin's going":   {r.RemoveAccount(admin, "ann"), "conflict", "or do it as root on the hub's machine"},
		"the last admin's rest":    {r.SetDisabled(admin, "ann", true), "conflict", "ann is the last admin"},
		"another's tokens":         {listed, "forbidden", "only an admin sees others'"},
		"all tokens":               {all, "forbidden", "only an admin sees others'"},
		"nobody's tokens":          {nobody, "not_found", "there is no user"},
		"a token for another":      {token(vic, "ann", "x", fleet.RoleViewer, 0), "forbidden", "only an admin makes API tokens for others"},
		"a token for nobody":       {token(admin, "nobody", "x", fleet.RoleViewer, 0), "not_found", "there is no user"},
		"too much for an operator": {token(olga, "olga", "x", fleet.RoleAdmin, 0), "forbidden", "olga is operator, and its API tokens may at most the same (say --role operator"},
		"too much by an admin":     {token(admin, "vic", "x", fleet.RoleOperator, 0), "forbidden", "vic is viewer"},
		"a taken token":            {token(admin, "ann", "ci", fleet.RoleViewer, 0), "conflict", "ann has an API token ci already (take it back first"},
		"a bad token's name":       {token(admin, "ann", "a b", fleet.RoleViewer, 0), "invalid", "is not a name"},
		"a token of no role":       {token(admin, "ann", "x", "", 0), "invalid", "is no role"},
		"a token in the past":      {token(admin, "ann", "x", fleet.RoleViewer, -time.Hour), "invalid", "in the past"},
		"a token of a token":       {token(person("vic/x", fleet.RoleViewer), "vic", "y", fleet.RoleViewer, 0), "forbidden", "only an admin"},
		"another's token":          {r.RemoveToken(vic, "ann", "ci"), "forbidden", "only an admin takes others'"},
		"no such token":            {r.RemoveToken(admin, "ann", "cd"), "not_found", `ann has no API token "cd"`},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			r.refused(c.err, c.code, c.says)
		})
	}
	r.t = t
	if got := len(r.Accounts()); got != 3 {
		t.Errorf("%d accounts", got)
	}
	if said := strings.Join(r.store.audit(), "\n"); !strings.Contains(said, "ann|https|192.0.2.9|user-role|users/ann|refused|ann is the last admin") || strings.Contains(said, good) {
		t.Errorf("the audit trail says\n%s", said)
	}
}

// Root on the hub's machine is always an admin, so it may take the last one away.
func TestRootMayDoWithoutAdmins(t *testing.T) {
	r := start(t)
	r.folk()
	r.must(r.SetDisabled(root, "ann", true))
	r.must(r.SetDisabled(root, "ann", false))
	r.must(r.SetRole(root, "ann", fleet.RoleViewer))
	r.must(r.RemoveAccount(root, "ann"))
}

// What is decided is in the store, with its entry, before it counts.
func TestWhatIsntStoredDoesntCount(t *testing.T) {
	r := start(t)
	r.folk()
	before := r.store.all()
	r.store.broken = true
	_, _, err := r.AddToken(admin, "ann", "ci", fleet.RoleViewer, 0)
	for _, err := range []error{
		err, r.AddAccount(admin, "bob", fleet.RoleViewer, good), r.SetRole(admin, "vic", fleet.RoleOperator),
		r.SetDisabled(admin, "vic", true), r.RemoveAccount(admin, "vic"), r.SetPassword(admin, "vic", "", good+"2"),
	} {
		r.refused(err, fleet.CodeUnavailable, "disk is full")
	}
	_, err = r.Enter("vic", good, "192.0.2.5", fleet.ViaHTTPS)
	r.refused(err, fleet.CodeUnavailable, "disk is full")
	r.store.broken = false
	if r.store.all() != before || len(r.cut) > 0 {
		t.Errorf("stored: %s; cut %v", r.store.all(), r.cut)
	}
	if _, err := r.Login("vic", good, "192.0.2.5"); err != nil {
		t.Errorf("vic: %v", err)
	}
}

// Everything is there after a restart, and no secret is in the store.
func TestRestart(t *testing.T) {
	r := start(t)
	r.folk()
	session, err := r.Enter("olga", good, "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	text, _, err := r.AddToken(person("olga", fleet.RoleOperator), "olga", "ci", fleet.RoleViewer, time.Hour)
	r.must(err)
	r.must(r.SetDisabled(admin, "vic", true))
	accounts := r.Accounts()
	r.open()
	if !slices.Equal(accounts, r.Accounts()) {
		t.Errorf("%+v; want %+v", r.Accounts(), accounts)
	}
	for token, want := range map[string]string{session.Token: "olga operator", text: "olga/ci viewer"} {
		if by, err := r.Token(token, "192.0.2.5"); err != nil || by.Name+" "+string(by.Role) != want {
			t.Errorf("%+v, %v", by, err)
		}
	}
	_, secret, _ := strings.Cut(strings.TrimPrefix(text, tokenPrefix), "_")
	if stored := r.store.all(); strings.Contains(stored, good) || strings.Contains(stored, secret) || strings.Contains(stored, session.Token) {
		t.Error("a secret is in the store")
	}
	if strings.Contains(r.log.String(), good) || strings.Contains(r.log.String(), secret) {
		t.Error("a secret is in the log")
	}
}

// Whatever takes a right away counts from the next request on, and is told.
func TestRightsEndAtOnce(t *testing.T) {
	r := start(t)
	r.folk()
	olga := person("olga", fleet.RoleOperator)
	session, err := r.Enter("olga", good, "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	text, _, err := r.AddToken(olga, "olga", "ci", fleet.RoleOperator, 0)
	r.must(err)
	role := func(token string) fleet.Role {
		by, _ := r.Token(token, "192.0.2.5")
		return by.Role
	}
	told := func(want ...string) {
		t.Helper()
		if !slices.Equal(r.cut, want) {
			t.Errorf("told %v; want %v", r.cut, want)
		}
		r.cut = nil
	}
	r.must(r.SetRole(admin, "olga", fleet.RoleViewer))
	if role(session.Token) != fleet.RoleViewer || role(text) != fleet.RoleViewer {
		t.Error("the former role counts")
	}
	told("olga")
	r.must(r.SetRole(admin, "olga", fleet.RoleAdmin))
	if role(session.Token) != fleet.RoleAdmin || role(text) != fleet.RoleOperator {
		t.Error("a token may more than it was made for")
	}
	told("olga")
	r.must(r.SetDisabled(admin, "olga", true))
	_, err = r.Token(text, "192.0.2.5")
	r.refused(err, fleet.CodeUnauthenticated, "the account olga is disabled (an admin can enable it")
	told("olga")
	r.must(r.SetDisabled(admin, "olga", false))
	if role(session.Token) != "" || role(text) != fleet.RoleOperator {
		t.Error("a session outlives its account's rest, or a token doesn't")
	}
	told()
	session, err = r.Enter("olga", good, "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	r.must(r.SetPassword(olga, "olga", good, good+"2"))
	if role(session.Token) != "" || role(text) != fleet.RoleOperator {
		t.Error("a session outlives its password, or a token doesn't")
	}
	told("olga")
	_, err = r.Login("olga", good, "192.0.2.5")
	r.refused(err, fleet.CodeUnauthenticated, "the name or the password is wrong")
	session, err = r.Enter("olga", good+"2", "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	r.refused(r.Leave(person("olga/ci", fleet.RoleOperator), text), fleet.CodeConflict, "the API token olga/ci is no session")
	r.must(r.Leave(olga, session.Token))
	told("olga/")
	if role(session.Token) != "" {
		t.Error("a session goes on after it was left")
	}
	r.must(r.RemoveToken(person("olga/ci", fleet.RoleOperator), "olga", "ci"))
	told("olga/ci")
	_, err = r.Token(text, "192.0.2.77")
	r.refused(err, fleet.CodeUnauthenticated, "this token isn't known, or was taken back")
	text, _, err = r.AddToken(admin, "olga", "ci", fleet.RoleOperator, 0)
	r.must(err)
	r.must(r.RemoveAccount(admin, "olga"))
	if role(text) != "" {
		t.Error("a token outlives its account")
	}
	r.must(r.AddAccount(admin, "olga", fleet.RoleAdmin, good))
	if role(text) != "" {
		t.Error("a token comes back with a new account of the name")
	}
}

func TestSessionsAndTokensExpire(t *testing.T) {
	r := start(t)
	r.folk()
	session, err := r.Enter("vic", good, "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	text, _, err := r.AddToken(admin, "vic", "ci", fleet.RoleViewer, 24*time.Hour)
	r.must(err)
	if want := r.now().Add(12 * time.Hour); !session.Expires.Equal(want) {
		t.Errorf("until %s", session.Expires)
	}
	before := r.now()
	r.pass(12 * time.Hour)
	_, err = r.Token(session.Token, "192.0.2.5")
	r.refused(err, fleet.CodeUnauthenticated, "the session has expired (log in anew: muster login")
	if _, err := r.Token(text, "192.0.2.5"); err != nil {
		t.Error(err)
	}
	r.pass(12 * time.Hour)
	_, err = r.Token(text, "192.0.2.5")
	r.refused(err, fleet.CodeUnauthenticated, "the API token vic/ci has expired")
	r.must(r.expire(before, r.now()))
	slices.Sort(r.cut)
	if !slices.Equal(r.cut, []string{"vic/", "vic/ci"}) {
		t.Errorf("told %v", r.cut)
	}
	if list, _ := r.Tokens(admin, "vic"); len(list) != 1 || len(r.tokens) != 1 {
		t.Errorf("%+v of %d", list, len(r.tokens))
	}
	r.pass(keptExpired + time.Hour)
	r.must(r.expire(r.now(), r.now()))
	if len(r.tokens) != 0 || strings.Contains(r.store.all(), tokensTable+" ") {
		t.Error("an old token is kept")
	}
}

func TestSessionsAndTokensAreBounded(t *testing.T) {
	r := start(t)
	r.folk()
	first, err := r.Enter("vic", good, "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	for range mostSessions {
		r.pass(time.Second)
		_, err := r.Enter("vic", good, "192.0.2.5", fleet.ViaHTTPS)
		r.must(err)
	}
	if _, err := r.Token(first.Token, "192.0.2.5"); err == nil {
		t.Error("the oldest session of too many goes on")
	}
	if got := r.Accounts()[2].Sessions; got != mostSessions {
		t.Errorf("%d sessions", got)
	}
	for i := range mostTokens {
		_, _, err := r.AddToken(admin, "vic", "t"+string(rune('a'+i/26))+string(rune('a'+i%26)), fleet.RoleViewer, 0)
		r.must(err)
	}
	_, _, err = r.AddToken(admin, "vic", "more", fleet.RoleViewer, 0)
	r.refused(err, fleet.CodeConflict, "vic has 100 API tokens already")
}

// Who logs in over MQTT does so with a password, or with an API token of its own.
func TestLoginOverMQTT(t *testing.T) {
	r := start(t)
	r.folk()
	text, _, err := r.AddToken(admin, "olga", "ci", fleet.RoleViewer, 0)
	r.must(err)
	session, err := r.Enter("olga", good, "192.0.2.5", fleet.ViaHTTPS)
	r.must(err)
	for _, c := range []struct{ name, password, want string }{
		{"olga", good, "olga operator mqtt 192.0.2.5"},
		{"olga", text, "olga/ci viewer mqtt 192.0.2.5"},
		{"olga", session.Token, "the name or the password is wrong"},
		{"ann", text, "the name or the password is wrong"},
		{"olga", text + "x", "this token isn't known"},
		{"olga", "", "the name or the password is wrong"},
		{"", "", "the name or the password is wrong"},
		{"olga/ci", good, "the name or the password is wrong"},
	} {
		by, err := r.Login(c.name, c.password, "192.0.2.5")
		got := strings.Join([]string{by.Name, string(by.Role), by.Via, by.From}, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || err != nil && by != (fleet.Principal{}) {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
	}
	// A token in the place of the name isn't written down.
	_, err = r.Login(text, "x", "192.0.2.66")
	r.refused(err, fleet.CodeUnauthenticated, "the name or the password is wrong")
	if said := strings.Join(r.store.audit(), "\n"); strings.Contains(said, tokenPrefix) || !strings.Contains(said, "olga|mqtt|192.0.2.5|login||done|") {
		t.Errorf("the audit trail says\n%s", said)
	}
}

func TestWhenTokensWereUsed(t *testing.T) {
	r := start(t)
	r.folk()
	text, _, err := r.AddToken(admin, "vic", "ci", fleet.RoleViewer, 0)
	r.must(err)
	r.pass(time.Hour)
	_, err = r.Token(text, "192.0.2.5")
	r.must(err)
	before := r.store.all()
	look := func() {
		t.Helper()
		if list, err := r.Tokens(person("vic", fleet.RoleViewer), "vic"); err != nil || list[0].Used == nil || !list[0].Used.Equal(r.now()) || list[0].From != "192.0.2.5" {
			t.Errorf("%+v, %v", list, err)
		}
	}
	if look(); r.store.all() != before {
		t.Error("each use is stored")
	}
	r.must(r.writeUsed())
	r.open()
	look()
}

func TestRunEnds(t *testing.T) {
	r := start(t)
	r.folk()
	for range 3 {
		r.Refused(fleet.AuditEntry{Who: "eve", From: "x", Do: "scale"})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.must(r.Run(ctx))
	if said := r.store.audit(); said[len(said)-1] != "eve||x|scale||refused| (2 times more)" {
		t.Errorf("%q", said)
	}
}
