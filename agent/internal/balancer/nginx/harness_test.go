package nginx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// tested is the nginx that the tests are of: this machine's, or that of another
// version, as packaging/dev/nginx.sh gets one.
var tested = cmp.Or(os.Getenv("MUSTER_TEST_NGINX"), "nginx")

// keepsClients says whether that one promises every client that it drops nothing,
// or only those that try again.
var keepsClients = func() bool {
	output, err := exec.Command(tested, "-v").CombinedOutput()
	version, ok := lbconf.ParseNginxVersion(string(output))
	if err != nil || !ok {
		panic(fmt.Sprintf("which nginx is this? %v: %s", err, output))
	}
	return version.AtLeast(lbconf.NginxKeepsClients)
}()

const patience = 30 * time.Second

// rig is a balancer in a directory of its own, with its agent's side.
type rig struct {
	t       testing.TB
	dir     string
	binary  string // of the next agent, as is
	maxConn int
	slow    bool   // reloads are as far apart as they are in production
	hostHas string // the folder of the host's certificates
	lb      *Balancer
	stop    context.CancelFunc
	done    chan error
	reloads atomic.Int64
	blames  atomic.Int64 // pools that were rejected

	mu     sync.Mutex // guards actual, counts and told
	actual fleet.BalancerActual
	counts []fleet.PoolMetrics
	told   int // how often of counts
	gen    atomic.Uint64
}

func newRig(t testing.TB, prepare ...func(*rig)) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "lb")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir}
	t.Cleanup(func() {
		r.detach()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.lb.Stop(ctx); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	for _, f := range prepare {
		f(r)
	}
	r.attach()
	return r
}

// attach starts the agent's side, as after the agent's restart.
func (r *rig) attach() {
	r.t.Helper()
	options := DefaultOptions()
	options.Dir = r.dir
	options.Retries = 0
	options.Certificates = cmp.Or(r.hostHas, options.Certificates)
	options.Binary, options.MaxConn = cmp.Or(r.binary, tested), r.maxConn
	options.BindAddresses = []netip.Addr{netip.MustParseAddr(loopback)}
	options.Logger = slog.New(slog.NewTextHandler(testLog{r}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	options.Report = func(actual fleet.BalancerActual) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.actual = actual
	}
	options.Counted = func(counts []fleet.PoolMetrics) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.counts, r.told = counts, r.told+1
	}
	lb, err := New(options)
	if err != nil {
		r.t.Fatal(err)
	}
	if !r.slow {
		lb.paceOld = paceNew // the others are about what happens, not when
	}
	r.lb = lb
	r.mu.Lock()
	r.actual = fleet.BalancerActual{}
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done = cancel, make(chan error, 1)
	go func(done chan error) { done <- lb.Run(ctx) }(r.done)
}

// wrap makes a program that does something and then becomes nginx.
func wrap(t testing.TB, first string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "wrapped")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+first+"\nexec "+tested+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// detach ends the agent's side; nginx goes on.
func (r *rig) detach() {
	if r.stop == nil {
		return
	}
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	r.stop = nil
}

func (r *rig) now() fleet.BalancerActual {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.actual
}

func (r *rig) until(what string, condition func(fleet.BalancerActual) bool) {
	r.t.Helper()
	poll(r.t, what, func() bool { return condition(r.now()) })
}

func poll(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// processes are the master, a worker that serves and those that shut down.
type processes struct {
	master, current int
	old             []int
}

func (r *rig) pids() (now processes) {
	r.t.Helper()
	poll(r.t, "nginx has a master and a worker", func() bool {
		master, alive := r.lb.named()
		now = processes{master: master}
		for _, worker := range workersOf(master) {
			if serving(worker) {
				now.current = worker.PID
			} else {
				now.old = append(now.old, worker.PID)
			}
		}
		return alive && now.current != 0
	})
	return now
}

// reload makes nginx load its file again without need, as by hand, and waits
// for the new workers.
func (r *rig) reload() {
	r.t.Helper()
	before := r.pids()
	if err := syscall.Kill(before.master, syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	poll(r.t, "new workers", func() bool {
		title := titleOf(before.current)
		return title == "" || strings.HasSuffix(title, closingTitle)
	})
}

// apply wants the pools with new generations and waits for all of them to be
// acknowledged.
func (r *rig) apply(pools ...*fleet.Pool) {
	r.t.Helper()
	r.want(pools...)
	for _, pool := range pools {
		r.until("acknowledged: "+pool.Service.String(), func(a fleet.BalancerActual) bool {
			return poolOf(a, pool.Service).Generation == pool.Generation
		})
	}
}

// want hands over copies: a test goes on changing what is its own.
func (r *rig) want(pools ...*fleet.Pool) {
	var all []fleet.Pool
	for _, pool := range pools {
		pool.Generation = r.gen.Add(1)
		given := *pool
		given.Routes, given.Endpoints = slices.Clone(pool.Routes), slices.Clone(pool.Endpoints)
		all = append(all, given)
	}
	r.lb.Want(all)
}

// due is the reload that pools are due for, of a balancer whose agent is away.
func (r *rig) due(pools ...*fleet.Pool) sequence.Action {
	r.t.Helper()
	r.want(pools...)
	lb := r.lb
	r.t.Cleanup(lb.checker.stop)
	var action sequence.Action
	poll(r.t, "a reload is due", func() bool {
		seen, err := lb.observe(context.Background())
		if err != nil {
			return false
		}
		turn := sequence.NextByFile(lb.Wanted(), seen, lb.Memory, time.Now(), lb.byFile())
		lb.Memory = turn.Memory
		if len(turn.Actions) == 0 || turn.Actions[0].Kind != sequence.Reload {
			return false
		}
		action = turn.Actions[0]
		return true
	})
	return action
}

func (r *rig) ready(pool *fleet.Pool, instance string) {
	r.t.Helper()
	r.until(instance+" takes traffic", func(a fleet.BalancerActual) bool {
		e := endpointOf(a, pool.Service, instance)
		return e.State == fleet.EndpointReady && e.Check == fleet.CheckPassing
	})
}

func (r *rig) drained(pool *fleet.Pool, instance string) {
	r.t.Helper()
	r.until(instance+" is drained", func(a fleet.BalancerActual) bool {
		return poolOf(a, pool.Service).Generation == pool.Generation && endpointOf(a, pool.Service, instance).Drained
	})
}

func poolOf(actual fleet.BalancerActual, key fleet.ServiceKey) fleet.PoolActual {
	i := slices.IndexFunc(actual.Pools, func(p fleet.PoolActual) bool { return p.Service == key })
	if i < 0 {
		return fleet.PoolActual{}
	}
	return actual.Pools[i]
}

func endpointOf(actual fleet.BalancerActual, key fleet.ServiceKey, instance string) fleet.EndpointActual {
	pool := poolOf(actual, key)
	i := slices.IndexFunc(pool.Endpoints, func(e fleet.EndpointActual) bool { return e.Instance == instance })
	if i < 0 {
		return fleet.EndpointActual{}
	}
	return pool.Endpoints[i]
}

// loopback is an address of this test process alone.
var loopback = fmt.Sprintf("127.%d.%d.1", 1+os.Getpid()>>8&0x7f, os.Getpid()&0xff)

// newPool is an HTTP service on a free port of this machine.
func newPool(t testing.TB, name string) *fleet.Pool {
	return &fleet.Pool{
		Service: fleet.ServiceKey{Project: "shop", Name: name},
		Routes:  []fleet.Route{{Target: 80, Listen: []int{freePort(t)}, Protocol: fleet.ProtocolHTTP}},
		Check:   fleet.Check{Type: fleet.ProbeHTTP, Path: "/health", Interval: fleet.Duration(200 * time.Millisecond)},
	}
}

func address(pool *fleet.Pool) string {
	return fmt.Sprintf("%s:%d", loopback, pool.Routes[0].Listen[0])
}

// lastPort is the last one that freePort gave away. All are below those that
// the kernel gives to whoever names none: programs, and ends of connections.
var lastPort atomic.Int64

// freePort returns a port of loopback that is given away this once.
func freePort(t testing.TB) int {
	t.Helper()
	lastPort.CompareAndSwap(0, 10000)
	for {
		port := int(lastPort.Add(1))
		listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // somebody has it on every address
		}
		if err != nil || port >= firstEphemeral(t) {
			t.Fatalf("no port is left: %d, %v", port, err)
		}
		listener.Close()
		return port
	}
}

func firstEphemeral(t testing.TB) (port int) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if _, scanned := fmt.Sscan(string(text), &port); err != nil || scanned != nil {
		t.Fatal(err, scanned)
	}
	return port
}

func portOf(t testing.TB, listener net.Listener) int {
	t.Helper()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%v is not a TCP address", listener.Addr())
	}
	return address.Port
}

// program is an instance that exits at once when it is told to.
type program struct {
	id     string
	server *http.Server
	port   int
	health atomic.Bool
}

// newProgram answers with its id, or as it is told.
func newProgram(t testing.TB, id string, answer ...http.HandlerFunc) *program {
	t.Helper()
	answer = append(answer, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, id) })
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &program{id: id, port: portOf(t, listener)}
	p.health.Store(true)
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if !p.health.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		fmt.Fprint(w, id)
	})
	mux.HandleFunc("/", answer[0])
	mux.HandleFunc("/socket", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
		_, _ = io.Copy(conn, buffer) // what comes goes back
	})
	p.server = &http.Server{Handler: mux}
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(p.exit)
	return p
}

func (p *program) exit() { _ = p.server.Close() }

func (p *program) endpoint(state string) fleet.Endpoint {
	return fleet.Endpoint{
		Instance: p.id, Version: 1, Address: loopback, Ports: map[int]int{80: p.port},
		Weight: fleet.DefaultWeight, State: state,
	}
}

func set(pool *fleet.Pool, instance, state string) {
	for i := range pool.Endpoints {
		if pool.Endpoints[i].Instance == instance {
			pool.Endpoints[i].State = state
		}
	}
}

func remove(pool *fleet.Pool, instance string) {
	pool.Endpoints = slices.DeleteFunc(slices.Clone(pool.Endpoints), func(e fleet.Endpoint) bool { return e.Instance == instance })
}

// testLog sends log lines to the test that is running, and counts some.
type testLog struct{ *rig }

func (l testLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), `msg="balancer reloads"`) {
		l.reloads.Add(1)
	}
	if strings.Contains(string(line), `msg="pool rejected"`) {
		l.blames.Add(1)
	}
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
