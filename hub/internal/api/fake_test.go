package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/logbuf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeFleet is a fleet with two services, three instances and two hosts. It
// answers orders with what do returns.
type fakeFleet struct {
	mu       sync.Mutex
	commands []fleet.Command
	filters  []EventFilter
	do       func(ctx context.Context, cmd fleet.Command) (fleet.Result, error)
	readErr  error
	watch    func(ctx context.Context, since uint64) (<-chan fleet.Change, error)
	events   []fleet.Event
	view     View // nil: fakeView
}

func (f *fakeFleet) Do(ctx context.Context, cmd fleet.Command) (fleet.Result, error) {
	f.mu.Lock()
	f.commands = append(f.commands, cmd)
	f.mu.Unlock()
	if f.do != nil {
		return f.do(ctx, cmd)
	}
	return fleet.Result{Revision: 43, Changed: true, Message: "done: " + cmd.Do}, nil
}

func (f *fakeFleet) Read(_ context.Context, fn func(View)) error {
	if f.readErr != nil {
		return f.readErr
	}
	if f.view != nil {
		fn(f.view)
	} else {
		fn(fakeView{})
	}
	return nil
}

func (f *fakeFleet) Watch(ctx context.Context, since uint64) (<-chan fleet.Change, error) {
	return f.watch(ctx, since)
}

func (f *fakeFleet) Events(_ context.Context, filter EventFilter) ([]fleet.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, filter)
	return f.events, nil
}

func (f *fakeFleet) last(t *testing.T) fleet.Command {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.commands) == 0 {
		t.Fatal("no command was given")
	}
	return f.commands[len(f.commands)-1]
}

const revisionNow = 42

var (
	web   = fleet.ServiceKey{Project: "shop", Name: "web"}
	db    = fleet.ServiceKey{Project: "shop", Name: "db"}
	empty = fleet.ServiceKey{Project: "shop", Name: "empty"}
)

type fakeView struct{}

func (fakeView) Secrets(project string) []fleet.SecretView {
	if project != "" && project != "shop" {
		return nil
	}
	return []fleet.SecretView{{Key: fleet.SecretKey{Project: "shop", Name: "db"}, Revision: 2, UsedBy: []fleet.ServiceKey{web}}}
}

func (fakeView) Registries() []fleet.RegistryView {
	return []fleet.RegistryView{{Host: "registry.example.com", Username: "ann", Revision: 1}}
}

// fakeSealer seals by turning values round.
type fakeSealer struct{}

func (fakeSealer) Secret(key fleet.SecretKey, value []byte) fleet.SealedValue {
	sealed := slices.Clone(value)
	slices.Reverse(sealed)
	return fleet.SealedValue{Sealed: sealed, Fingerprint: "fingerprint of " + key.String(), Size: len(value)}
}

func (s fakeSealer) Registry(host string, login fleet.Credentials) (fleet.SealedValue, error) {
	return s.Secret(fleet.SecretKey{Name: host}, []byte(login.Password)), nil
}

func (v fakeView) ExplainInstance(id string) (fleet.Explanation, bool) {
	for _, in := range v.Instances(fleet.ServiceKey{}, "") {
		if in.ID == id {
			return fleet.Explanation{Service: in.Service, Instance: id, Host: in.Host, Verdict: "it would be placed on " + in.Host + " again"}, true
		}
	}
	return fleet.Explanation{}, false
}

func (v fakeView) ExplainService(key fleet.ServiceKey, slot int) (fleet.Explanation, bool) {
	_, known := v.Service(key)
	return fleet.Explanation{Service: key, Slot: slot, Verdict: "no host can have it"}, known
}

func (fakeView) Revision() uint64 { return revisionNow }

func (fakeView) Services(project string) []fleet.ServiceView {
	if project != "" && project != "shop" {
		return nil
	}
	return []fleet.ServiceView{{Key: db, Generation: 3}, {Key: web, Generation: 7}, {Key: empty}}
}

func (v fakeView) Service(key fleet.ServiceKey) (fleet.ServiceView, bool) {
	for _, service := range v.Services("") {
		if service.Key == key {
			return service, true
		}
	}
	return fleet.ServiceView{}, false
}

// Versions of web are 5, 4 and 2; there are none of the others.
func (v fakeView) Versions(key fleet.ServiceKey) ([]fleet.VersionView, bool) {
	if _, known := v.Service(key); !known || key != web {
		return nil, known
	}
	return []fleet.VersionView{{Number: 5, Image: "web:5"}, {Number: 4, Image: "web:4", Current: true}, {Number: 2, Image: "web:2"}}, true
}

func (v fakeView) Version(key fleet.ServiceKey, number int) (fleet.VersionView, bool) {
	versions, _ := v.Versions(key)
	for _, version := range versions {
		if version.Number == number {
			version.Spec = &fleet.Spec{Image: version.Image}
			return version, true
		}
	}
	return fleet.VersionView{}, false
}

func (v fakeView) Diff(key fleet.ServiceKey, from, to int) ([]fleet.FieldChange, error) {
	a, known := v.Version(key, from)
	b, knownToo := v.Version(key, to)
	if !known || !knownToo {
		return nil, fleet.NotFound("version %d or %d isn't kept", from, to)
	}
	if from == to {
		return nil, nil
	}
	return []fleet.FieldChange{{Path: "spec.image", From: a.Image, To: b.Image}}, nil
}

func (fakeView) Rollout(key fleet.ServiceKey) (fleet.RolloutView, bool) {
	if key != web {
		return fleet.RolloutView{}, false
	}
	return fleet.RolloutView{
		Service: web, Rollout: fleet.Rollout{ID: 31, From: 2, To: 4, State: fleet.RolloutProgressing}, Weight: 25,
		Versions: []fleet.VersionUse{{Version: 2}, {Version: 4}},
	}, true
}

func (fakeView) Instances(service fleet.ServiceKey, host string) []fleet.InstanceView {
	all := []fleet.InstanceView{
		{ID: "1a-1", Service: web, Host: "web1"}, {ID: "1a-2", Service: web, Host: "web2"}, {ID: "2b-1", Service: db, Host: "web1"},
	}
	return slices.DeleteFunc(all, func(i fleet.InstanceView) bool {
		return !service.IsZero() && i.Service != service || host != "" && i.Host != host
	})
}

func (fakeView) Hosts() []fleet.HostView {
	return []fleet.HostView{
		{ID: "web1", Generation: 11, Status: fleet.HostStatus{State: fleet.HostUp}},
		{ID: "web2", Generation: 12, Status: fleet.HostStatus{State: fleet.HostLost}},
	}
}

func (v fakeView) Host(id string) (fleet.HostView, bool) {
	for _, host := range v.Hosts() {
		if host.ID == id {
			return host, true
		}
	}
	return fleet.HostView{}, false
}

func (fakeView) Pools(key fleet.ServiceKey) []fleet.PoolView {
	if key != web {
		return nil
	}
	return []fleet.PoolView{{Balancer: fleet.BalancerKey{Host: "web1", Name: "haproxy"}, Generation: 9}}
}

func (fakeView) Balancers() []fleet.BalancerView {
	return []fleet.BalancerView{{Key: fleet.BalancerKey{Host: "web1", Name: "haproxy"}, Up: true}}
}

func (fakeView) Exports() []fleet.ExportView {
	endpoint := fleet.Endpoint{Instance: "1a-1", Version: 5, Address: "10.0.0.1", Ports: map[int]int{80: 20001}, Weight: 128, State: fleet.EndpointReady}
	return []fleet.ExportView{{
		Service: web, Offered: true, Routes: []fleet.Route{{Target: 80, Listen: []int{80}, Protocol: fleet.ProtocolHTTP}},
		Endpoints: []fleet.EndpointView{{Endpoint: endpoint, Host: "web1"}},
	}}
}

// askerFunc is an Asker in one function.
type askerFunc func(host string, ask fleet.Ask) error

func (f askerFunc) Ask(host string, ask fleet.Ask) error { return f(host, ask) }

// server is the API under test, on a real connection.
type server struct {
	t     *testing.T
	api   *API
	fleet *fakeFleet
	url   string
	log   *logbuf.Buffer
	conns *http.Client
	stop  func()
}

func serve(t *testing.T, change ...func(*Options)) *server {
	t.Helper()
	return serveBy(t, func(*API) Door { return Anyone }, change...)
}

// serveBy serves by a door.
func serveBy(t *testing.T, door func(*API) Door, change ...func(*Options)) *server {
	t.Helper()
	s := &server{t: t, fleet: &fakeFleet{}, log: &logbuf.Buffer{}}
	options := Options{
		Fleet:   s.fleet,
		Asker:   askerFunc(func(string, fleet.Ask) error { return nil }),
		Map:     mapNothing,
		Sealer:  fakeSealer{},
		Logger:  slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version: "1.2.3",
		Limits:  DefaultLimits(),
	}
	for _, c := range change {
		c(&options)
	}
	s.api = New(options)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.api.Serve(ctx, listener, door(s.api)) }()
	s.url = "http://" + listener.Addr().String()
	transport := &http.Transport{}
	s.conns = &http.Client{Transport: transport}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		transport.CloseIdleConnections()
	})
	t.Cleanup(s.stop)
	return s
}

func mapNothing(document []byte) (string, []fleet.Service, []string, error) {
	return "shop", []fleet.Service{{Key: web}, {Key: db}}, []string{"warned"}, nil
}

type answer struct {
	status int
	header http.Header
	body   string
}

// call makes a request; headers are pairs of name and value.
func (s *server) call(method, path, body string, headers ...string) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.callIn(ctx, method, path, body, headers...)
}

func (s *server) callIn(ctx context.Context, method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.conns.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(raw)}
}

func (s *server) get(path string) answer { s.t.Helper(); return s.call("GET", path, "") }

func decode[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %q", err, a.body)
	}
	return v
}

// problem checks that an answer is a problem with a status and a code.
func (a answer) problem(t *testing.T, status int, code string) Problem {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s: %s; want a problem with %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	p := decode[Problem](t, a)
	if p.Status != status || p.Code != code || p.Title != http.StatusText(status) || p.Detail == "" {
		t.Errorf("problem %+v; want %d with the code %s", p, status, code)
	}
	return p
}
