package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub plays one over HTTPS.
type hub struct {
	*httptest.Server
	authority certs.Pair
	life      time.Duration

	mu    sync.Mutex
	asked []string // paths, with the host that was named
	fail  *fleet.Error
}

func newHub(t *testing.T, validFrom, validTo time.Time) *hub {
	t.Helper()
	h := &hub{authority: certs.NewAuthority(t), life: time.Hour}
	own := h.authority.Issue(t, x509.Certificate{
		DNSNames: []string{fleet.HubName}, NotBefore: validFrom, NotAfter: validTo, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.answer(t, w, r) }))
	h.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS(h.authority.Cert)}}
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

func (h *hub) answer(t *testing.T, w http.ResponseWriter, r *http.Request) {
	var in struct {
		Host    string
		Request []byte
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r.URL.Path+" "+in.Host)
	if h.fail == nil && in.Host == "" {
		h.fail = fleet.ValidateHost("").(*fleet.Error)
		defer func() { h.fail = nil }()
	}
	if h.fail != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": h.fail.Code, "path": h.fail.Path, "detail": h.fail.Message, "hint": h.fail.Hint})
		return
	}
	request, err := x509.ParseCertificateRequest(in.Request)
	if err != nil || request.CheckSignature() != nil {
		t.Errorf("request: %v", err)
		return
	}
	cert := h.authority.Sign(t, x509.Certificate{Subject: pkix.Name{CommonName: in.Host}, NotAfter: time.Now().Add(h.life)}, request.PublicKey)
	_ = json.NewEncoder(w).Encode(fleet.Credential{
		Host: in.Host, Lineage: "lineage", ServerName: fleet.HubName, MQTTPort: 8883, Labels: map[string]string{"zone": "a"}, Time: time.Now(),
		Certificate: string(certs.PEM(cert)),
		Roots:       string(certs.PEM(h.authority.Cert)),
	})
}

func (h *hub) heard() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.asked...)
}

func (h *hub) options(dir string, log *strings.Builder) JoinOptions {
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	token := fleet.JoinToken{Secret: [24]byte{1, 2, 3}, Pin: fleet.PinOf(h.authority.Cert.RawSubjectPublicKeyInfo)}
	return JoinOptions{Dir: dir, Hub: h.Listener.Addr().String(), Token: token.String(), Host: "web1", Name: "machine", Logger: logger}
}

func ordinary(t *testing.T) *hub {
	return newHub(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func TestJoining(t *testing.T) {
	h, dir := ordinary(t), filepath.Join(t.TempDir(), "state")
	if _, err := Open(dir, nil); !errors.Is(err, ErrNotJoined) {
		t.Error(err)
	}
	if _, err := Join(t.Context(), h.options(dir, nil)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fileName, keyName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	i, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(h.Listener.Addr().String())
	if mqtt, web := i.Hub(); mqtt != "mqtts://"+host+":8883" || web != "https://"+h.Listener.Addr().String() {
		t.Errorf("hub at %s, %s", mqtt, web)
	}
	if i.Host() != "web1" || i.Lineage() != "lineage" || i.Labels()["zone"] != "a" {
		t.Errorf("%s, %s, %v", i.Host(), i.Lineage(), i.Labels())
	}
	key, _ := os.ReadFile(filepath.Join(dir, keyName))
	if _, err := Join(t.Context(), h.options(dir, nil)); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(filepath.Join(dir, keyName)); string(again) != string(key) {
		t.Error("it joined again with another key")
	}
	o := h.options(t.TempDir(), nil)
	o.Host = ""
	if i, err := Join(t.Context(), o); err != nil || i.Host() != "machine" {
		t.Errorf("without an id: %v", err)
	}
	if err := i.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := Open(dir, nil); !errors.Is(err, ErrNotJoined) {
		t.Error(err)
	}
}

// Somebody in between with another authority gets nothing.
func TestNothingIsSentToAnother(t *testing.T) {
	h, between := ordinary(t), ordinary(t)
	o := h.options(t.TempDir(), nil)
	o.Hub = between.Listener.Addr().String()
	_, err := Join(t.Context(), o)
	if fleet.CodeOf(err) != fleet.CodeUnauthenticated || !strings.Contains(err.Error(), "not the hub that the join token is of") {
		t.Error(err)
	}
	if heard := between.heard(); len(heard) != 0 {
		t.Errorf("it heard %q", heard)
	}
	if _, err := Open(o.Dir, nil); !errors.Is(err, ErrNotJoined) {
		t.Error(err)
	}
	// Nor who shows the hub's certificates without having the key of one.
	thief := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent something") }))
	other := between.authority.Issue(t, x509.Certificate{DNSNames: []string{fleet.HubName}})
	thief.TLS = &tls.Config{Certificates: []tls.Certificate{other.TLS(h.authority.Cert)}}
	thief.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	thief.StartTLS()
	defer thief.Close()
	o.Hub = thief.Listener.Addr().String()
	if _, err := Join(t.Context(), o); err == nil {
		t.Error("it was joined")
	}
}

// An authority that the operator's certificate is of vouches for others, too: a public
// one for everybody. Who has another of its certificates isn't the hub.
func TestNothingIsSentToAnotherOfTheSameAuthority(t *testing.T) {
	h := ordinary(t)
	for name, leaf := range map[string]x509.Certificate{
		"another's": {DNSNames: []string{"evil.example"}},
		"the hub's": {IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
	} {
		var heard atomic.Bool
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Store(true) }))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{h.authority.Issue(t, leaf).TLS(h.authority.Cert)}}
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
		server.StartTLS()
		defer server.Close()
		o := h.options(t.TempDir(), nil)
		o.Hub = server.Listener.Addr().String()
		if _, err := Join(t.Context(), o); heard.Load() != (name == "the hub's") {
			t.Errorf("%s: it heard: %t, %v", name, heard.Load(), err)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	h := ordinary(t)
	ahead := newHub(t, time.Now().Add(23*time.Hour), time.Now().Add(48*time.Hour))
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	with := func(h *hub, change func(*JoinOptions)) JoinOptions {
		o := h.options(t.TempDir(), nil)
		change(&o)
		return o
	}
	for name, tt := range map[string]struct {
		options JoinOptions
		want    string
	}{
		"no token":      {with(h, func(o *JoinOptions) { o.Token = "x" }), "not a join token"},
		"nobody there":  {with(h, func(o *JoinOptions) { o.Hub = "127.0.0.1:1" }), "can't be reached"},
		"no TLS":        {with(h, func(o *JoinOptions) { o.Hub = plain.Listener.Addr().String() }), "can't be reached"},
		"a wrong clock": {with(ahead, func(*JoinOptions) {}), "set this machine's clock right"},
	} {
		if _, err := Join(t.Context(), tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.fail = &fleet.Error{Code: fleet.CodeUnauthenticated, Path: "token", Message: "the join token was used already", Hint: "make another one"}
	if _, err := Join(t.Context(), h.options(t.TempDir(), nil)); fleet.CodeOf(err) != fleet.CodeUnauthenticated || err.Error() != "token: the join token was used already (make another one)" {
		t.Error(err)
	}
	for text, want := range map[string]string{"hub": "hub:8443", "192.0.2.1": "192.0.2.1:8443", "2001:db8::1": "[2001:db8::1]:8443", "hub:1": "hub:1", "": "", "https://hub": "hub:8443", "a b": "", "http://hub": "", "hub:x": ""} {
		if got, err := HubAddress(text); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestRenewing(t *testing.T) {
	h := ordinary(t)
	h.life = 3 * time.Second
	var log strings.Builder
	dir := t.TempDir()
	i, err := Join(t.Context(), h.options(dir, &log))
	if err != nil {
		t.Fatal(err)
	}
	first := i.state.Load().cert.Leaf
	ctx, cancel := context.WithCancel(t.Context())
	renewed, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- i.Run(ctx, func() { renewed <- struct{}{} }) }()
	<-renewed
	i.Renew() // the hub asks for it
	<-renewed
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	kept, err := Open(dir, nil)
	if err != nil || !kept.state.Load().cert.Leaf.NotAfter.After(first.NotAfter) {
		t.Errorf("on disk it is as before: %v", err)
	}
	if heard := h.heard(); heard[1] != "/v1/renew web1" || len(heard) != 3 {
		t.Errorf("asked %q", heard)
	}
}

// Renewals of a fleet that was made in an hour are spread.
func TestRenewalsAreSpread(t *testing.T) {
	s := &state{cert: tls.Certificate{Leaf: &x509.Certificate{NotAfter: time.Unix(1000, 0)}}}
	s.Credential.Time = time.Unix(0, 0)
	seen := map[int64]bool{}
	for range 100 {
		due := s.due().Unix()
		if due < 500 || due > 800 {
			t.Errorf("due at %d of 1000", due)
		}
		seen[due/50] = true
	}
	if len(seen) < 5 {
		t.Errorf("only %d of 6 parts", len(seen))
	}
}

func TestDamagedFilesAreSaid(t *testing.T) {
	h := ordinary(t)
	for name, content := range map[string]string{fileName: `{"credential":{"certificate":"x"}}`, keyName: "rubbish"} {
		dir := t.TempDir()
		if _, err := Join(t.Context(), h.options(dir, nil)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, nil); err == nil || !strings.Contains(err.Error(), "let this host join again") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead: what is on disk, or comes from a hub, is taken or refused.
func FuzzRead(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"version":1,"hub":"a:1","credential":{"host":"web1","certificate":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n","roots":""}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c file
		if json.Unmarshal(raw, &c) != nil {
			return
		}
		if s, err := read(c, key); err == nil && s.cert.Leaf == nil {
			t.Errorf("%s was taken", raw)
		}
	})
}
