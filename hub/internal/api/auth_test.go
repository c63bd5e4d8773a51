package api

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// fakePeople know a token for each role, called like it, and write down what they
// are asked.
type fakePeople struct {
	mu      sync.Mutex
	gone    map[string]bool // tokens that aren't good any more
	calls   []string
	refused []fleet.AuditEntry
	err     error // of whatever changes something
}

func (f *fakePeople) note(parts ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.Join(parts, " "))
	return f.err
}

func (f *fakePeople) last(t *testing.T) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		t.Fatal("nobody was asked")
	}
	return f.calls[len(f.calls)-1]
}

func (f *fakePeople) Token(text, from string) (fleet.Principal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if role := fleet.Role(text); role.Validate() == nil && !f.gone[text] {
		return fleet.Principal{Name: "a-" + text, Role: role, From: from}, nil
	}
	return fleet.Principal{}, (&fleet.Error{Code: fleet.CodeUnauthenticated, Message: "this token isn't known"}).WithHint("muster login")
}

func (f *fakePeople) Refused(e fleet.AuditEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = append(f.refused, e)
}

func (f *fakePeople) Enter(name, password, from, via string) (fleet.Session, error) {
	return fleet.Session{Name: name, Token: "t"}, f.note("enter", name, password, from, via)
}

func (f *fakePeople) First(secret, name, password, from, via string) (fleet.Session, error) {
	return fleet.Session{Name: name, Token: "t"}, f.note("first", secret, name, password, from, via)
}

func (f *fakePeople) Leave(by fleet.Principal, text string) error {
	return f.note("leave", by.Name, text)
}
func (f *fakePeople) Accounts() []fleet.Account { return []fleet.Account{{Name: "ann"}} }
func (f *fakePeople) AddAccount(by fleet.Principal, name string, role fleet.Role, password string) error {
	return f.note("add", by.Name, name, string(role), password)
}
func (f *fakePeople) SetRole(by fleet.Principal, name string, role fleet.Role) error {
	return f.note("role", by.Name, name, string(role))
}
func (f *fakePeople) SetDisabled(by fleet.Principal, name string, disabled bool) error {
	return f.note("disabled", by.Name, name)
}
func (f *fakePeople) SetPassword(by fleet.Principal, name, old, password string) error {
	return f.note("password", by.Name, name, old, password)
}
func (f *fakePeople) RemoveAccount(by fleet.Principal, name string) error {
	return f.note("remove", by.Name, name)
}
func (f *fakePeople) Tokens(by fleet.Principal, account string) ([]fleet.APIToken, error) {
	return []fleet.APIToken{{Account: account, Name: "ci"}}, f.note("tokens", by.Name, account)
}
func (f *fakePeople) AddToken(by fleet.Principal, account, name string, role fleet.Role, ttl time.Duration) (string, fleet.APIToken, error) {
	return "mst_x", fleet.APIToken{Account: account, Name: name}, f.note("token", by.Name, account, name, string(role), ttl.String())
}
func (f *fakePeople) RemoveToken(by fleet.Principal, account, name string) error {
	return f.note("untoken", by.Name, account, name)
}

type fakeTrail struct {
	mu      sync.Mutex
	entries []fleet.AuditEntry
	before  uint64
	limit   int
}

func (f *fakeTrail) Audit(e fleet.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, e)
	return nil
}

func (f *fakeTrail) Entries(before uint64, limit int, keep func(fleet.AuditEntry) bool) (found []fleet.AuditEntry, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.limit = before, limit
	for _, e := range f.entries {
		if keep(e) {
			found = append(found, e)
		}
	}
	return found, nil
}

func withPeople(o *Options) { o.People, o.Trail = &fakePeople{gone: map[string]bool{}}, &fakeTrail{} }

// guarded is an API whose listener wants a token.
func guarded(t *testing.T) (*server, *fakePeople) {
	t.Helper()
	s := serveBy(t, func(a *API) Door { return a.Bearer(fleet.ViaHTTPS) }, withPeople, func(o *Options) {
		o.Asker = askerFunc(func(string, fleet.Ask) error { return fleet.NotFound("nobody is there") })
	})
	return s, s.api.options.People.(*fakePeople)
}

// takes is the whole table of who may do what. An operation that isn't in it has no
// place in the API.
var takes = map[fleet.Role][]string{
	anyone: {"login", "first-admin", "join", "renew", "compose-schema"},
	fleet.RoleViewer: {
		"version", "list-services", "get-service", "list-pools", "list-versions", "get-version", "diff-versions", "get-rollout",
		"service-logs", "instance-logs", "list-instances", "explain-instance", "explain-service", "list-hosts", "get-host", "host-log", "list-balancers", "export", "list-events",
		"watch", "hub-settings", "hub-log", "whoami", "logout", "set-password", "list-api-tokens", "add-api-token", "remove-api-token",
		"get-ca", "list-secrets",
	},
	fleet.RoleOperator: {
		"apply", "scale", "restart", "stop-service", "start-service", "command", "remove-service", "freeze-service", "unfreeze-service", "rollback", "promote-rollout",
		"pause-rollout", "resume-rollout", "abort-rollout", "retry-rollout", "drain-host", "activate-host", "freeze-host",
		"unfreeze-host", "maintain-host", "rebalance", "fail-host", "prune-host", "forget-balancer", "list-audit",
		"set-secret", "remove-secret", "list-registries",
	},
	fleet.RoleAdmin: {"list-users", "add-user", "change-user", "remove-user", "create-join-token", "list-join-tokens", "delete-join-token", "rotate-ca", "export-acl", "remove-host", "revoke-host", "set-registry", "remove-registry"},
}

// TestWhoMayDoWhat walks all operations with all roles, and with none.
func TestWhoMayDoWhat(t *testing.T) {
	s, folk := guarded(t)
	seen := 0
	for path, item := range s.api.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			seen++
			role := roleOf(op)
			if !slices.Contains(takes[role], op.OperationID) {
				t.Errorf("%s takes the role %q: it isn't in the table of this test", op.OperationID, role)
			}
			target := strings.NewReplacer("{project}", "shop", "{service}", "web", "{host}", "web1", "{name}", "haproxy", "{instance}", "1a-1", "{number}", "4", "{user}", "ann", "{token}", "ci", "{id}", "x").Replace(path)
			if op.OperationID == "watch" || strings.HasSuffix(target, "/log") || strings.HasSuffix(target, "/logs") {
				target += "?since=x&tail=x" // so that it ends
			}
			for _, who := range []fleet.Role{"", fleet.RoleViewer, fleet.RoleOperator, fleet.RoleAdmin} {
				var headers []string
				if who != "" {
					headers = []string{"Authorization", "Bearer " + string(who)}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				a := s.callIn(ctx, method, target, "", headers...)
				cancel()
				let := a.status != 401 && a.status != 403
				if want := role == anyone || who.Allows(role); let != want {
					t.Errorf("%s %s as %q: %d, want let in: %v", method, target, who, a.status, want)
				}
			}
		}
	}
	all := 0
	for _, list := range takes {
		all += len(list)
	}
	if seen != all {
		t.Errorf("%d operations, %d in the table", seen, all)
	}
	if i := slices.IndexFunc(folk.refused, func(e fleet.AuditEntry) bool {
		return e.Who == "a-viewer" && e.Role == fleet.RoleViewer && e.Do == "scale" && e.Subject == "services/shop/web" && e.Via == fleet.ViaHTTPS && e.From == "127.0.0.1" && strings.Contains(e.Message, "takes operator")
	}); i < 0 {
		t.Errorf("the refused order isn't told: %+v", folk.refused)
	}
}

// Paths beside huma's.
func TestWhoMaySeeWhat(t *testing.T) {
	s, _ := guarded(t)
	for path, want := range map[string][2]int{
		"/healthz": {200, 200}, "/readyz": {200, 200}, "/metrics": {401, 200}, "/openapi.json": {401, 200}, "/v1/nothing": {404, 404},
	} {
		if a := s.get(path); a.status != want[0] {
			t.Errorf("%s without a token: %d", path, a.status)
		}
		if a := s.call("GET", path, "", "Authorization", "Bearer viewer"); a.status != want[1] {
			t.Errorf("%s with one: %d", path, a.status)
		}
	}
	s.call("POST", streamPath+"unknown", "").problem(t, 404, "not_found") // its name is the secret
}

// What states no role is for nobody, not even an admin, and its handler isn't asked.
func TestWithoutARoleNobodyMay(t *testing.T) {
	s, _ := guarded(t)
	called := false
	for i, op := range []huma.Operation{
		{}, {Metadata: map[string]any{roleKey: "admin"}}, {Metadata: map[string]any{roleKey: fleet.Role("root")}}, {Metadata: map[string]any{roleKey: fleet.Role("")}},
	} {
		op.OperationID, op.Method, op.Path = "forgotten"+string(rune('a'+i)), http.MethodGet, "/v1/forgotten/"+string(rune('a'+i))
		register(s.api, op, func(context.Context, *struct{}) (*noOutput, error) {
			called = true
			return nil, nil
		})
		p := s.call("GET", op.Path, "", "Authorization", "Bearer admin").problem(t, 403, "forbidden")
		if called || !strings.Contains(p.Detail, "what role it takes") {
			t.Errorf("%d: %+v", i, p)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	s, folk := guarded(t)
	for header, want := range map[string]string{
		"":                       "nobody is logged in (muster login; programs use an API token (MUSTER_TOKEN))",
		"Basic YW5uOmh1bnRlcjI=": "only bearer tokens are taken here, no passwords (muster login gives one for a password)",
		"Bearer":                 "this token isn't known (muster login)",
		"Bearer nonsense":        "this token isn't known (muster login)",
	} {
		a := s.call("POST", "/v1/hosts/web1/drain", "", "Authorization", header)
		if p := a.problem(t, 401, "unauthenticated"); p.Detail+" ("+p.Hint+")" != want || a.header.Get("WWW-Authenticate") != `Bearer realm="muster"` {
			t.Errorf("%q: %+v", header, p)
		}
	}
	p := s.call("POST", "/v1/hosts/web1/drain", "", "Authorization", "bearer viewer").problem(t, 403, "forbidden")
	if p.Detail != "a-viewer is viewer, and that takes operator" || p.Hint != "an admin can change that: muster user role a-viewer operator" {
		t.Errorf("%+v", p)
	}
	logins := 0
	for _, e := range folk.refused {
		if e.Do == "login" {
			logins++
		}
	}
	if len(s.fleet.commands) > 0 || logins != 2 {
		t.Errorf("%d commands, %d refused logins", len(s.fleet.commands), logins)
	}
}

// Who is turned away hasn't had its body read.
func TestNothingIsReadBeforeSomebodyIsLetIn(t *testing.T) {
	s, _ := guarded(t)
	s.call("POST", "/v1/projects/shop/apply", "not even JSON").problem(t, 401, "unauthenticated")
}

// Who asks is the principal, whatever headers say.
func TestTheActorIsThePrincipal(t *testing.T) {
	s, _ := guarded(t)
	s.call("POST", "/v1/hosts/web1/drain", "", "Authorization", "Bearer operator", "Actor", "root", "X-Forwarded-User", "root", "From", "root", "X-Forwarded-For", "10.0.0.1")
	c := s.fleet.last(t)
	if want := (fleet.Principal{Name: "a-operator", Role: fleet.RoleOperator, Via: fleet.ViaHTTPS, From: "127.0.0.1"}); c.Actor != "a-operator" || c.By != want {
		t.Errorf("actor %q, by %+v", c.Actor, c.By)
	}
}

func TestWithoutADoorNobodyComesIn(t *testing.T) {
	s := serveBy(t, func(*API) Door { return nil }, withPeople)
	s.get("/v1/hosts").problem(t, 500, "internal")
	s = serveBy(t, func(*API) Door { return Peer }, withPeople)
	s.get("/v1/hosts").problem(t, 500, "internal")
	s = serveBy(t, func(a *API) Door { return a.Bearer(fleet.ViaHTTP) })
	s.call("GET", "/v1/hosts", "", "Authorization", "Bearer admin").problem(t, 500, "internal")
}

// knownConn is a connection that knows who is at the other end.
type knownConn struct {
	net.Conn
	err error
}

func (k knownConn) Principal() (fleet.Principal, error) {
	return fleet.Principal{Name: "root", Role: fleet.RoleAdmin, Via: fleet.ViaSocket, From: "uid 0"}, k.err
}

type knownListener struct {
	net.Listener
	err error
}

func (k knownListener) Accept() (net.Conn, error) {
	conn, err := k.Listener.Accept()
	return knownConn{conn, k.err}, err
}

func TestPeersOfASocket(t *testing.T) {
	s, folk := guarded(t)
	for _, refusal := range []error{nil, &fleet.Error{Code: fleet.CodeForbidden, Message: "nobody may not use the hub's socket"}} {
		path := filepath.Join(t.TempDir(), "hub.sock")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.api.Serve(ctx, knownListener{listener, refusal}, Peer) }()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}
		response, err := (&http.Client{Transport: transport}).Post("http://hub/v1/hosts/web1/drain", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		transport.CloseIdleConnections()
		if refusal == nil && (response.StatusCode != 200 || s.fleet.last(t).Actor != "root" || s.fleet.last(t).By.From != "uid 0") {
			t.Errorf("%d, %+v", response.StatusCode, s.fleet.last(t).By)
		}
		if refusal != nil && (response.StatusCode != 403 || folk.refused[0].Via != fleet.ViaSocket) {
			t.Errorf("%d, %+v", response.StatusCode, folk.refused)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A watcher whose right ends is cut off at once; one who still may goes on.
func TestWatchersEndWithTheirRight(t *testing.T) {
	s, folk := guarded(t)
	s.fleet.watch = func(context.Context, uint64) (<-chan fleet.Change, error) { return make(chan fleet.Change), nil }
	open := func(who string) *bufio.Reader {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/watch", nil)
		request.Header.Set("Authorization", "Bearer "+who)
		response, err := s.conns.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		lines := bufio.NewReader(response.Body)
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "watching") {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return lines
	}
	viewer, admin := open("viewer"), open("admin")
	folk.mu.Lock()
	folk.gone["viewer"] = true
	folk.mu.Unlock()
	s.api.Changed("a-viewer")
	if line, err := viewer.ReadString('\n'); err == nil {
		t.Errorf("it goes on with %q", line)
	}
	ended := make(chan string, 1)
	go func() { line, _ := admin.ReadString('\n'); ended <- line }()
	select {
	case line := <-ended:
		t.Errorf("the other one ended too: %q", line)
	case <-time.After(100 * time.Millisecond):
	}
	s.stop()
	<-ended
}

func TestCallsToPeople(t *testing.T) {
	s, folk := guarded(t)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/v1/login", `{"name":"ann","password":"long enough"}`, "enter ann long enough 127.0.0.1 http"},
		{"POST", "/v1/first-admin", `{"secret":"s","name":"ann","password":"long enough"}`, "first s ann long enough 127.0.0.1 http"},
		{"POST", "/v1/logout", "", "leave a-admin admin"},
		{"POST", "/v1/users", `{"name":"bob","role":"viewer","password":"p"}`, "add a-admin bob viewer p"},
		{"PATCH", "/v1/users/bob", `{"role":"operator"}`, "role a-admin bob operator"},
		{"PATCH", "/v1/users/bob", `{"disabled":false}`, "disabled a-admin bob"},
		{"DELETE", "/v1/users/bob", "", "remove a-admin bob"},
		{"PUT", "/v1/users/bob/password", `{"old":"a","password":"b"}`, "password a-admin bob a b"},
		{"GET", "/v1/api-tokens?user=bob", "", "tokens a-admin bob"},
		{"POST", "/v1/api-tokens", `{"user":"bob","name":"ci","role":"viewer","ttl":"48h"}`, "token a-admin bob ci viewer 48h0m0s"},
		{"DELETE", "/v1/api-tokens/bob/ci", "", "untoken a-admin bob ci"},
	} {
		headers := []string{"Authorization", "Bearer admin"}
		if a := s.call(c.method, c.path, c.body, headers...); a.status/100 != 2 || folk.last(t) != c.want {
			t.Errorf("%s %s: %d %s; asked %q", c.method, c.path, a.status, a.body, folk.last(t))
		}
		// Pages of other sites can't, large bodies aren't read, and refusals come through.
		if c.method != "GET" {
			s.call(c.method, c.path, c.body, append(headers, "Origin", "https://evil.example")...).problem(t, 403, "invalid")
		}
		if c.body != "" {
			large := `{"x":"` + strings.Repeat("x", 70_000) + `",` + c.body[1:]
			s.call(c.method, c.path, large, headers...).problem(t, 413, "invalid")
			s.call(c.method, c.path, `{"unknown":1,`+c.body[1:], headers...).problem(t, 422, "invalid")
		}
		folk.err = &fleet.Error{Code: fleet.CodeForbidden, Message: "no"}
		s.call(c.method, c.path, c.body, headers...).problem(t, 403, "forbidden")
		folk.err = nil
	}
	s.call("PATCH", "/v1/users/bob", `{}`, "Authorization", "Bearer admin").problem(t, 422, "invalid")
	if a := s.call("GET", "/v1/whoami", "", "Authorization", "Bearer operator"); !strings.Contains(a.body, `"name":"a-operator","role":"operator","via":"https","from":"127.0.0.1"`) {
		t.Error(a.body)
	}
	if log := s.log.String(); strings.Contains(log, "long enough") || strings.Contains(log, "Bearer") {
		t.Errorf("a secret is in the log: %s", log)
	}
}

func TestAudit(t *testing.T) {
	s, _ := guarded(t)
	trail := s.api.options.Trail.(*fakeTrail)
	for _, e := range []fleet.AuditEntry{
		{Number: 3, Who: "ann/ci", Do: "scale", Subject: "services/shop/web", Result: "done"},
		{Number: 2, Who: "ann", Do: "login", Subject: "users/ann", Result: "refused"},
		{Number: 1, Who: "annie", Do: "scale", Subject: "services/shopping/web", Result: "done"},
	} {
		if err := trail.Audit(e); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"":                       "321",
		"?who=ann":               "32",
		"?who=ann/ci":            "3",
		"?do=scale":              "31",
		"?subject=services/shop": "3",
		"?result=refused":        "2",
		"?result=done&who=bob":   "",
	} {
		list := decode[Items[fleet.AuditEntry]](t, s.call("GET", "/v1/audit"+query, "", "Authorization", "Bearer operator"))
		got := ""
		for _, e := range list.Items {
			got += string(rune('0' + e.Number))
		}
		if got != want || list.Items == nil {
			t.Errorf("%s: %s; want %s", query, got, want)
		}
	}
	s.call("GET", "/v1/audit?before=7&limit=9", "", "Authorization", "Bearer operator")
	if trail.before != 7 || trail.limit != 9 {
		t.Errorf("before %d, limit %d", trail.before, trail.limit)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?result=good", "?before=-1"} {
		s.call("GET", "/v1/audit"+query, "", "Authorization", "Bearer operator").problem(t, 422, "invalid")
	}
}
