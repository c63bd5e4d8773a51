package broker_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/hub/internal/broker"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
)

// authority issues certificates for these tests.
type authority struct{ certs.Pair }

// issue makes one of the hub's or of a host's.
func (a authority) issue(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	return a.Issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{"hub"}, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}).TLS()
}

// porter is a Guard.
type porter struct {
	mu      sync.Mutex
	revoked map[string]bool
	logins  []string
	proved  func() // is told of each who has proved who they are; nil: nobody
}

func (p *porter) Host(leaf *x509.Certificate) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revoked[leaf.Subject.CommonName] {
		return "", errors.New("the host's certificate is revoked")
	}
	p.tell()
	return leaf.Subject.CommonName, nil
}

func (p *porter) Joined(host string) bool { return strings.HasPrefix(host, "web") }

func (p *porter) Login(name, password, from string) (fleet.Principal, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logins = append(p.logins, name+" from "+from)
	role, _, _ := strings.Cut(name, "-")
	if password != "right" {
		return fleet.Principal{}, errors.New("wrong name or password")
	}
	p.tell()
	return fleet.Principal{Name: name, Role: fleet.Role(role)}, nil
}

// tell needs mu.
func (p *porter) tell() {
	if p.proved != nil {
		p.proved()
	}
}

// secured is a broker with a TLS door and an open one.
type secured struct {
	*house
	authority
	porter *porter
	tls    string // its address
}

func secure(t *testing.T, change ...func(*broker.Options)) *secured {
	t.Helper()
	s := &secured{authority: authority{certs.NewAuthority(t)}, porter: &porter{revoked: map[string]bool{}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.tls = listener.Addr().String()
	config := &tls.Config{Certificates: []tls.Certificate{s.issue(t, "hub", time.Now().Add(time.Hour))}, ClientCAs: s.Pool(), ClientAuth: tls.VerifyClientCertIfGiven}
	s.house = open(t, append([]func(*broker.Options){func(o *broker.Options) {
		o.Guard = s.porter
		o.Doors = append(o.Doors, broker.Door{Listener: listener, TLS: config})
	}}, change...)...)
	return s
}

// dialTLS connects from an address, with a certificate if there is one.
func (s *secured) dialTLS(t *testing.T, from string, certs ...tls.Certificate) (*peer, error) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	// TLS 1.2 tells in the handshake what is wrong with a certificate.
	conn, err := tls.DialWithDialer(dialer, "tcp", s.tls, &tls.Config{RootCAs: s.Pool(), ServerName: "hub", Certificates: certs, MaxVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &peer{t: t, Conn: conn, in: bufio.NewReader(conn)}, nil
}

// as is an agent that shows its certificate.
func as(host string) hello {
	return hello{id: host, user: host, password: "machine-of-" + host, will: topicOf(host, "presence"), willSays: "lost"}
}

func person(name, password, id string) hello { return hello{id: id, user: name, password: password} }

func (s *secured) join(t *testing.T, from string, who hello, certs ...tls.Certificate) *peer {
	t.Helper()
	p, err := s.dialTLS(t, from, certs...)
	if err != nil {
		t.Fatal(err)
	}
	if code := p.hello(who); code != 0 {
		t.Fatalf("%s is refused: %d", who.id, code)
	}
	return p
}

func TestWhoIsLetInByTLS(t *testing.T) {
	s := secure(t)
	hour := time.Now().Add(time.Hour)
	web1, stranger := s.issue(t, "web1", hour), authority{certs.NewAuthority(t)}.issue(t, "web1", hour)
	s.porter.revoked["web7"] = true
	with := func(h hello, change func(*hello)) hello { change(&h); return h }
	for _, c := range []struct {
		name   string
		certs  []tls.Certificate
		who    hello
		ok     bool
		reason string // that the hub is told; empty: none
	}{
		{"an agent", []tls.Certificate{web1}, as("web1"), true, ""},
		{"an agent as another", []tls.Certificate{web1}, as("web2"), false, "web1: the certificate is web1's"},
		{"another's user name", []tls.Certificate{web1}, with(as("web1"), func(h *hello) { h.user = "web2" }), false, "web1: the certificate is web1's"},
		{"a Will for another", []tls.Certificate{web1}, with(as("web1"), func(h *hello) { h.will = topicOf("web2", "presence") }), false, "web1: the Will"},
		{"another machine", []tls.Certificate{web1}, with(as("web1"), func(h *hello) { h.password = "other" }), false, "web1: another machine"},
		{"revoked", []tls.Certificate{s.issue(t, "web7", hour)}, as("web7"), false, "-"},
		{"no certificate", nil, as("web1"), false, "-"},
		{"no certificate, as before", nil, agent("web1"), false, "-"},
		{"nothing at all", nil, reader("laptop"), false, "-"},
		{"a viewer", nil, person("viewer-1", "right", "laptop"), true, ""},
		{"a viewer under a host's id", nil, person("viewer-1", "right", "web1"), true, ""},
		{"a wrong password", nil, person("viewer-1", "wrong", "laptop"), false, "-"},
		{"a person's Will", nil, with(person("viewer-1", "right", "x"), func(h *hello) { h.will = topicOf("web1", "presence") }), false, "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.hub.refused()
			p, err := s.dialTLS(t, "127.0.0.1", c.certs...)
			if err != nil {
				t.Fatal(err)
			}
			if code := p.hello(c.who); (code == 0) != c.ok {
				t.Fatalf("code %d", code)
			}
			s.hub.mu.Lock()
			told := s.hub.refusals[before:]
			s.hub.mu.Unlock()
			if named := c.reason != "" && c.reason != "-"; named != (len(told) == 1) || named && !strings.HasPrefix(told[0], c.reason) {
				t.Errorf("the hub is told %q", told)
			}
		})
	}
	for name, cert := range map[string]tls.Certificate{"another authority's": stranger, "expired": s.issue(t, "web1", time.Now().Add(-time.Minute))} {
		if p, err := s.dialTLS(t, "127.0.0.1", cert); err == nil {
			// A client doesn't show one of an authority that isn't asked for.
			if code := p.hello(as("web1")); code == 0 {
				t.Errorf("%s: let in", name)
			}
		}
	}
	// Who has joined isn't believed without the key, at the open door either.
	if code := dial(t, s.addr).hello(agent("web1")); code == 0 {
		t.Error("somebody without the key is taken for web1")
	}
	join(t, s.addr, agent("old1"))
}

// The session lasts as long as the certificate.
func TestASessionEndsWithItsCertificate(t *testing.T) {
	s := secure(t)
	p := s.join(t, "127.0.0.1", as("web1"), s.issue(t, "web1", time.Now().Add(1500*time.Millisecond)))
	if !p.say(topicOf("web1", "events"), "x", false) {
		t.Fatal("it doesn't hold at first")
	}
	p.gone()
}

func TestKickedSessionsEndWithoutAWill(t *testing.T) {
	s := secure(t)
	web1 := s.issue(t, "web1", time.Now().Add(time.Hour))
	for _, c := range []struct {
		p    *peer
		kick func()
	}{
		{s.join(t, "127.0.0.1", as("web1"), web1), func() { s.Kick("web1") }},
		{s.join(t, "127.0.0.1", person("viewer-1", "right", "a")), func() { s.KickUser("viewer-1") }},
	} {
		s.KickUser("viewer")
		s.Kick("web2")
		c.kick()
		c.p.gone()
	}
	s.join(t, "127.0.0.1", as("web1"), web1)
	if s.hub.count(said{"web1", "presence", "", "lost"}) != 0 {
		t.Error("a kicked session's Will was heard")
	}
}

// Who is kicked between proving who they are and having a session gets none: the
// check of a password takes its time.
func TestKickedOnTheWayIn(t *testing.T) {
	s := secure(t)
	web1 := s.issue(t, "web1", time.Now().Add(time.Hour))
	for _, c := range []struct {
		who  hello
		kick func()
		in   bool
	}{
		{as("web1"), func() { s.Kick("web1") }, false},
		{as("web1"), func() { s.Kick("web2") }, true},
		{person("viewer-1", "right", "a"), func() { s.KickUser("viewer-1") }, false},
		{person("viewer-1", "right", "b"), func() { s.KickUser("viewer") }, true},
		{person("viewer-1/ci", "right", "c"), func() { s.KickUser("viewer-1") }, false},
		{person("viewer-1/ci", "right", "d"), func() { s.KickUser("viewer-1/ci") }, false},
		{person("viewer-1/ci", "right", "e"), func() { s.KickUser("viewer-1/cd") }, true},
		{person("viewer-1", "right", "f"), func() { s.KickUser("viewer-1/ci") }, true},
	} {
		s.porter.mu.Lock()
		s.porter.proved = c.kick
		s.porter.mu.Unlock()
		var certs []tls.Certificate
		if c.who.id == "web1" {
			certs = append(certs, web1)
		}
		p, err := s.dialTLS(t, "127.0.0.1", certs...)
		if err != nil {
			t.Fatal(err)
		}
		if code := p.hello(c.who); (code == 0) != c.in {
			t.Errorf("%s as %s: %d", c.who.user, c.who.id, code)
		}
	}
	s.porter.mu.Lock()
	s.porter.proved = nil
	s.porter.mu.Unlock()
	s.join(t, "127.0.0.1", as("web1"), web1)
	s.join(t, "127.0.0.1", person("viewer-1", "right", "a"))
}

// One account doesn't take the places of all.
func TestAnAccountHasItsShareOfReaders(t *testing.T) {
	s := secure(t, func(o *broker.Options) { o.Readers = 8 })
	s.join(t, "127.0.0.1", person("viewer-1", "right", "a"))
	s.join(t, "127.0.0.1", person("viewer-1/ci", "right", "b"))
	p, err := s.dialTLS(t, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if code := p.hello(person("viewer-1", "right", "c")); code == 0 {
		t.Error("a third client of one account is let in")
	}
	s.join(t, "127.0.0.1", person("operator-1", "right", "a"))
	s.KickUser("viewer-1")
	s.join(t, "127.0.0.1", person("viewer-1", "right", "a"))
	s.join(t, "127.0.0.1", person("viewer-1", "right", "a")) // takes its own session over
}

// Two machines with one credential are noticed, one that moves isn't.
func TestClonedCredentials(t *testing.T) {
	s := secure(t)
	web1, web2 := s.issue(t, "web1", time.Now().Add(time.Hour)), s.issue(t, "web2", time.Now().Add(time.Hour))
	for i := range 4 {
		s.join(t, fmt.Sprintf("127.0.0.%d", 1+i%2), as("web1"), web1)
		s.join(t, "127.0.0.1", as("web2"), web2) // comes back from where it was
	}
	s.join(t, "127.0.0.9", as("web2"), web2) // has moved
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if len(s.hub.cloned) != 1 || !strings.HasPrefix(s.hub.cloned[0], "web1 127.0.0.") {
		t.Errorf("cloned: %q", s.hub.cloned)
	}
}

// What people publish gets to nobody but the hub, with who they are.
func TestOrders(t *testing.T) {
	s := secure(t)
	watcher := s.join(t, "127.0.0.1", person("admin-1", "right", "w"))
	watcher.subscribe("muster/v1/#")
	operator := s.join(t, "127.0.0.1", person("operator-1", "right", "a"))
	viewer := s.join(t, "127.0.0.1", person("viewer-1", "right", "a"))
	order, service := topicOf("web1", "command"), "muster/v1/services/shop/web/command"
	for _, c := range []struct {
		p      *peer
		topic  string
		retain bool
		ok     bool
	}{
		{operator, order, false, true}, {operator, service, false, true}, {operator, order, true, true}, {viewer, order, false, true},
	} {
		if got := c.p.say(c.topic, "restart web", c.retain); got != c.ok {
			t.Errorf("%s: confirmed %v", c.topic, got)
		}
	}
	var heard []string
	s.hub.mu.Lock()
	for _, o := range s.hub.orders {
		heard = append(heard, fmt.Sprintf("%s %s %s %s %s %v", o.By.Name, o.By.Role, o.By.Via, o.By.From, o.Topic, o.Retained))
	}
	s.hub.mu.Unlock()
	want := []string{
		"operator-1 operator mqtt 127.0.0.1 " + order + " false", "operator-1 operator mqtt 127.0.0.1 " + service + " false",
		"operator-1 operator mqtt 127.0.0.1 " + order + " true", "viewer-1 viewer mqtt 127.0.0.1 " + order + " false",
	}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q", heard)
	}
	s.publish(t, "muster/v1/hub/state", "up", false)
	if topic, _ := watcher.hear(); topic != "muster/v1/hub/state" {
		t.Errorf("an order got to %s", topic)
	}
	for _, topic := range []string{topicOf("web1", "presence"), topicOf("web1", "result/1"), "muster/v1/hub/state", "muster/v1/services/shop/command", order + "/more"} {
		if s.join(t, "127.0.0.1", person("admin-1", "right", "b")).say(topic, "x", false) {
			t.Errorf("a person published to %s", topic)
		}
	}
}

func TestRolesRead(t *testing.T) {
	s := secure(t)
	for name, want := range map[string]byte{"viewer-1": 0x80, "operator-1": 0x80, "admin-1": 0, "nothing-1": 0x80} {
		p := s.join(t, "127.0.0.1", person(name, "right", "a"))
		if code := p.subscribe(topicOf("web1", "desired"))[0]; code != want {
			t.Errorf("%s reads desired: %#x", name, code)
		}
	}
}

// Who doesn't say who it is leaves room for others: by address, and in time.
func TestIdleConnectionsLeaveRoom(t *testing.T) {
	s := secure(t, func(o *broker.Options) { o.PendingPerIP, o.Pending, o.HandshakesPerIP = 20, 60, 1000 })
	web1 := s.issue(t, "web1", time.Now().Add(time.Hour))
	for range 100 {
		conn, err := net.Dial("tcp", s.tls)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, "one from elsewhere comes in", func() bool {
		p, err := s.dialTLS(t, "127.0.0.2", web1)
		return err == nil && p.hello(as("web1")) == 0
	})
	if p, err := s.dialTLS(t, "127.0.0.1", web1); err == nil {
		t.Errorf("the crowd's own address has room: %v", p.RemoteAddr())
	}
}

func TestHandshakesAreBoundedByAddress(t *testing.T) {
	s := secure(t, func(o *broker.Options) { o.HandshakesPerIP = 5 })
	web1 := s.issue(t, "web1", time.Now().Add(time.Hour))
	let := 0
	for range 40 {
		if _, err := s.dialTLS(t, "127.0.0.1"); err == nil {
			let++
		}
	}
	if let == 0 || let > 25 {
		t.Errorf("%d of 40 at once", let)
	}
	s.join(t, "127.0.0.2", as("web1"), web1)
}

// Who says nothing takes nobody's turn for a handshake, and who begins many leaves
// turns for others.
func TestTurnsForHandshakes(t *testing.T) {
	s := secure(t, func(o *broker.Options) { o.Handshakes = 10 })
	web1 := s.issue(t, "web1", time.Now().Add(time.Hour))
	for range 200 {
		conn, err := net.Dial("tcp", s.tls)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	var many sync.WaitGroup
	defer many.Wait()
	for range 100 {
		conn, err := net.Dial("tcp", s.tls)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		many.Go(func() { _ = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake() })
	}
	began := time.Now()
	s.join(t, "127.0.0.2", as("web1"), web1)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("another address had its turn after %s", took)
	}
}
