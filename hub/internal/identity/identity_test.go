package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf keeps records in memory.
type shelf struct {
	rows  map[string]Row
	audit []fleet.AuditEntry
	full  bool
}

func (s *shelf) Keep(rows []Row, audit ...fleet.AuditEntry) error {
	if s.full {
		return &fleet.Error{Code: fleet.CodeUnavailable, Message: "the disk is full"}
	}
	for _, r := range rows {
		if s.rows[r.Table+"/"+r.Key] = r; r.Value == nil {
			delete(s.rows, r.Table+"/"+r.Key)
		}
	}
	s.audit = append(s.audit, audit...)
	return nil
}

// mirror is a vault that anyone can open.
type mirror struct{}

func (mirror) Seal(_ string, data []byte) []byte {
	out := slices.Clone(data)
	slices.Reverse(out)
	return out
}
func (m mirror) Unseal(name string, data []byte) ([]byte, error) { return m.Seal(name, data), nil }

type hub struct {
	*Identity
	shelf    *shelf
	now      time.Time
	mu       sync.Mutex // guards kicked
	kicked   []string
	admitted []string
	cut      []string
	asked    []string
}

func open(t *testing.T, shelf *shelf, change ...func(*Options)) *hub {
	t.Helper()
	h := &hub{shelf: shelf, now: time.Now()}
	o := Options{
		Records: shelf, Vault: mirror{}, Logger: slog.New(slog.DiscardHandler), Lineage: "lineage", Names: []string{"hub.example", "127.0.0.1"},
		HostLife: HostLife, MQTTPort: 8883, Now: func() time.Time { return h.now },
		Refused:  func(fleet.AuditEntry) {},
		CutOff:   func(host string) { h.cut = append(h.cut, host) },
		Admitted: func(host string) error { h.admitted = append(h.admitted, host); return nil },
		Kick:     func(host string) { h.mu.Lock(); defer h.mu.Unlock(); h.kicked = append(h.kicked, host) }, Renew: func(host string) { h.asked = append(h.asked, host) },
	}
	for _, c := range change {
		c(&o)
	}
	h.Identity = New(o)
	for _, r := range shelf.rows {
		if err := h.Load(r.Table, r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Open(); err != nil {
		t.Fatal(err)
	}
	return h
}

var admin = fleet.Principal{Name: "ann", Role: fleet.RoleAdmin, Via: fleet.ViaSocket, From: "uid 0"}

func (h *hub) token(t *testing.T, r fleet.TokenRequest) string {
	t.Helper()
	if r.Uses == 0 {
		r.Uses = 1
	}
	if r.TTL == 0 {
		r.TTL = time.Hour
	}
	text, _, err := h.CreateToken(admin, r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type machine struct{ key *ecdsa.PrivateKey }

func newMachine(t *testing.T) machine {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return machine{key}
}

func (m machine) request(t *testing.T) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, m.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func leafOf(t *testing.T, c fleet.Credential) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(c.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// connect has a machine connect to the hub as its credential says, with the roots
// of another one if those are given.
func (h *hub) connect(t *testing.T, m machine, c fleet.Credential, roots string) (host string, err error) {
	t.Helper()
	if roots == "" {
		roots = c.Roots
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(roots))
	here, there := net.Pipe()
	server := tls.Server(there, h.TLS())
	met := make(chan error, 1)
	go func() {
		defer there.Close()
		err := server.Handshake()
		if err == nil {
			if chains := server.ConnectionState().VerifiedChains; len(chains) > 0 {
				host, err = h.Host(chains[0][0])
			}
			_, _ = server.Write([]byte("."))
		}
		met <- err
	}()
	client := tls.Client(here, &tls.Config{RootCAs: pool, ServerName: c.ServerName, Certificates: []tls.Certificate{{Certificate: [][]byte{leafOf(t, c).Raw}, PrivateKey: m.key}}})
	err = client.Handshake()
	if err == nil {
		_, err = io.ReadFull(client, make([]byte, 1))
	}
	here.Close()
	if refused := <-met; refused != nil {
		err = refused
	}
	return host, err
}

func TestJoiningAndRenewing(t *testing.T) {
	kept := &shelf{rows: map[string]Row{}}
	h := open(t, kept)
	m := newMachine(t)
	text := h.token(t, fleet.TokenRequest{Labels: map[string]string{"zone": "a"}})
	c, err := h.Join(fleet.JoinRequest{Token: text, Host: "web1", Request: m.request(t)}, "192.0.2.1")
	if err != nil || c.Host != "web1" || c.MQTTPort != 8883 || c.Labels["zone"] != "a" || c.ServerName != fleet.HubName {
		t.Fatalf("%+v, %v", c, err)
	}
	if host, err := h.connect(t, m, c, ""); err != nil || host != "web1" {
		t.Errorf("%q, %v", host, err)
	}
	if leaf := leafOf(t, c); leaf.NotAfter.Sub(h.now) < HostLife-time.Minute {
		t.Errorf("valid until %s", leaf.NotAfter)
	}
	// The answer was lost: the same machine gets it again, another doesn't.
	if _, err := h.Join(fleet.JoinRequest{Token: text, Host: "web1", Request: m.request(t)}, ""); err != nil {
		t.Error(err)
	}
	if _, err := h.Join(fleet.JoinRequest{Token: text, Host: "web2", Request: newMachine(t).request(t)}, ""); fleet.CodeOf(err) != fleet.CodeUnauthenticated {
		t.Error(err)
	}
	// The hub starts anew, and the host was off past the end of its certificate.
	h = open(t, kept)
	h.now = h.now.Add(40 * 24 * time.Hour)
	if _, err := h.Renew(fleet.RenewRequest{Host: "web1", Request: newMachine(t).request(t)}, ""); err == nil {
		t.Error("another key got a certificate")
	}
	if c, err = h.Renew(fleet.RenewRequest{Host: "web1", Request: m.request(t)}, ""); err != nil {
		t.Fatal(err)
	}
	if id, err := h.Host(leafOf(t, c)); id != "web1" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	h.Revoke("web1")
	h.Revoke("web9") // which never joined
	for deadline := time.Now().Add(20 * time.Second); h.Joined("web1") && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if _, err := h.Host(leafOf(t, c)); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Error(err)
	}
	if _, err := h.Renew(fleet.RenewRequest{Host: "web1", Request: m.request(t)}, ""); fleet.CodeOf(err) != fleet.CodeForbidden {
		t.Error(err)
	}
	ended := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.Contains(h.kicked, "web1")
	}
	for deadline := time.Now().Add(20 * time.Second); !ended(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("its session goes on")
		}
	}
	for _, r := range kept.rows {
		if strings.Contains(string(r.Value), "PRIVATE") || strings.Contains(string(r.Value), text[4:20]) {
			t.Errorf("a secret is in %s/%s", r.Table, r.Key)
		}
	}
	if _, err := h.Join(fleet.JoinRequest{Token: text, Host: "web1", Request: m.request(t)}, ""); fleet.CodeOf(err) != fleet.CodeUnauthenticated {
		t.Errorf("a removed host comes back by a token that was used: %v", err)
	}
	if _, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web1", Request: m.request(t)}, ""); err != nil || h.admitted[len(h.admitted)-1] != "web1" {
		t.Errorf("a removed host doesn't join again: %v", err)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	h := open(t, &shelf{rows: map[string]Row{}})
	other := open(t, &shelf{rows: map[string]Row{}})
	m := newMachine(t)
	good := h.token(t, fleet.TokenRequest{})
	if _, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web9", Request: m.request(t)}, ""); err != nil {
		t.Fatal(err)
	}
	expired := h.token(t, fleet.TokenRequest{TTL: time.Minute})
	removed := h.token(t, fleet.TokenRequest{Uses: 7})
	for _, token := range h.Tokens() {
		if token.Uses == 7 {
			if err := h.DeleteToken(admin, token.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.now = h.now.Add(2 * time.Minute)
	for name, tt := range map[string]struct {
		token, host string
		request     []byte
		want        string
	}{
		"nothing":           {"", "web1", m.request(t), "not a join token"},
		"not whole":         {good[:30], "web1", m.request(t), "not whole"},
		"typing error":      {good[:20] + "x" + good[21:], "web1", m.request(t), "typing error"},
		"another hub's":     {other.token(t, fleet.TokenRequest{}), "web1", m.request(t), "none of this hub's"},
		"removed":           {removed, "web1", m.request(t), "was removed"},
		"expired":           {expired, "web1", m.request(t), "has expired"},
		"another host's":    {h.token(t, fleet.TokenRequest{Host: "db1"}), "web1", m.request(t), "is for the host db1"},
		"no id":             {good, "", m.request(t), "host"},
		"a wrong id":        {good, "Web_1", m.request(t), "host"},
		"an id in use":      {good, "web9", newMachine(t).request(t), "there is a host web9 already"},
		"no request":        {good, "web1", nil, "not a certificate request"},
		"a damaged request": {good, "web1", m.request(t)[:50], "not a certificate request"},
	} {
		_, err := h.Join(fleet.JoinRequest{Token: tt.token, Host: tt.host, Request: tt.request}, "")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), good[10:]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{Host: "web9"}), Request: newMachine(t).request(t)}, ""); err != nil {
		t.Errorf("a token for the host doesn't let another machine take its place: %v", err)
	}
	if _, err := h.Join(fleet.JoinRequest{Token: good, Host: "web1", Request: m.request(t)}, ""); err != nil {
		t.Errorf("the refusals used the token up: %v", err)
	}
	for _, r := range []fleet.TokenRequest{{Uses: 0, TTL: time.Hour}, {Uses: 2, TTL: time.Hour, Host: "a"}, {Uses: 1, TTL: time.Second}, {Uses: 1, TTL: 1000 * time.Hour}, {Uses: 1, TTL: time.Hour, Host: "A"}, {Uses: 1, TTL: time.Hour, Labels: map[string]string{"": "x"}}} {
		if _, _, err := h.CreateToken(admin, r); fleet.CodeOf(err) != fleet.CodeInvalid {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Who has no token can't fill the audit trail, nor the disk's time: that refusals are
// gathered is another's work, who is told of them without the lock.
func TestRefusalsAreGathered(t *testing.T) {
	var told []fleet.AuditEntry
	kept := &shelf{rows: map[string]Row{}}
	var h *hub
	h = open(t, kept, func(o *Options) {
		o.Refused = func(e fleet.AuditEntry) {
			h.Tokens() // waits for nobody
			told = append(told, e)
		}
	})
	text := open(t, &shelf{rows: map[string]Row{}}).token(t, fleet.TokenRequest{})
	for range 10 {
		if _, err := h.Join(fleet.JoinRequest{Token: text, Host: "web1", Request: newMachine(t).request(t)}, "192.0.2.1"); err == nil {
			t.Fatal("it is let in")
		}
	}
	if len(kept.audit) != 0 || len(told) != 10 || told[0].Who != "host web1" || told[0].From != "192.0.2.1" || told[0].Do != "host-join" {
		t.Errorf("written %+v, told %+v", kept.audit, told)
	}
}

// Who has neither a token nor a host's key takes nobody's turn.
func TestAFloodTakesNobodysTurn(t *testing.T) {
	h := open(t, &shelf{rows: map[string]Row{}})
	m, thief := newMachine(t), newMachine(t)
	foreign := open(t, &shelf{rows: map[string]Row{}}).token(t, fleet.TokenRequest{})
	request := thief.request(t)
	flood := func() {
		for range 2 * requestsAtOnce {
			_, _ = h.Join(fleet.JoinRequest{Token: foreign, Host: "web1", Request: request}, "192.0.2.1")
			_, _ = h.Renew(fleet.RenewRequest{Host: "web1", Request: request}, "192.0.2.1")
		}
	}
	flood()
	if _, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web1", Request: m.request(t)}, ""); err != nil {
		t.Error(err)
	}
	flood()
	if _, err := h.Renew(fleet.RenewRequest{Host: "web1", Request: m.request(t)}, ""); err != nil {
		t.Error(err)
	}
	for range 2 * requestsAtOnce { // the host itself is bounded
		if _, err := h.Renew(fleet.RenewRequest{Host: "web1", Request: m.request(t)}, ""); err != nil {
			return
		}
	}
	t.Error("a host isn't bounded")
}

// What can't be kept hasn't happened.
func TestAFullDiskChangesNothing(t *testing.T) {
	kept := &shelf{rows: map[string]Row{}}
	h := open(t, kept)
	m, text := newMachine(t), h.token(t, fleet.TokenRequest{})
	kept.full = true
	if _, err := h.Join(fleet.JoinRequest{Token: text, Host: "web1", Request: m.request(t)}, ""); fleet.CodeOf(err) != fleet.CodeUnavailable {
		t.Error(err)
	}
	if _, _, err := h.CreateToken(admin, fleet.TokenRequest{Uses: 1, TTL: time.Hour}); fleet.CodeOf(err) != fleet.CodeUnavailable {
		t.Error(err)
	}
	if err := h.BeginRotation(admin); fleet.CodeOf(err) != fleet.CodeUnavailable || len(h.Authorities()) != 1 {
		t.Error(err)
	}
	kept.full = false
	if h.Joined("web1") || len(h.Tokens()) != 1 {
		t.Error("something has happened")
	}
	if _, err := h.Join(fleet.JoinRequest{Token: text, Host: "web1", Request: m.request(t)}, ""); err != nil {
		t.Error(err)
	}
}

// A host that isn't trusted any more is out at once, whatever its agent does.
func TestDistrust(t *testing.T) {
	kept := &shelf{rows: map[string]Row{}}
	h := open(t, kept)
	m := newMachine(t)
	c, err := h.Join(fleet.JoinRequest{Token: h.token(t, fleet.TokenRequest{}), Host: "web1", Request: m.request(t)}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Distrust(admin, "web2"); fleet.CodeOf(err) != fleet.CodeNotFound {
		t.Error(err)
	}
	if err := h.Distrust(admin, "web1"); err != nil || len(h.cut) != 1 {
		t.Fatal(err)
	}
	if err := h.Distrust(admin, "web1"); fleet.CodeOf(err) != fleet.CodeConflict {
		t.Error(err)
	}
	for range 2 {
		if _, err := h.Host(leafOf(t, c)); err == nil || h.Joined("web1") {
			t.Errorf("it is let in: %v", err)
		}
		if _, err := h.Renew(fleet.RenewRequest{Host: "web1", Request: m.request(t)}, ""); fleet.CodeOf(err) != fleet.CodeForbidden {
			t.Error(err)
		}
		h = open(t, kept)
	}
	if last := kept.audit[len(kept.audit)-1]; last.Do != "host-revoke" || last.Who != "ann" {
		t.Errorf("the audit trail has %+v", last)
	}
}
