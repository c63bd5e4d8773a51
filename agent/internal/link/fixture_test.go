package link_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/agent/internal/link"
)

// patience is how long a test waits for what must happen. It only runs out
// when something is broken.
const patience = 30 * time.Second

var testbroker string // the program

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "link")
	if err != nil {
		panic(err)
	}
	testbroker = filepath.Join(dir, "testbroker")
	build := exec.Command("go", "build", "-o", testbroker, "github.com/musterhq/muster/hub/internal/broker/testbroker")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build testbroker: %v: %s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

type line struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	Retain  bool   `json:"retain,omitempty"`
}

// hub is the hub's broker, a process that can be killed and started again.
type hub struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	read sync.WaitGroup

	mu    sync.Mutex
	heard []line
}

func newHub(t *testing.T) *hub {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	h := &hub{t: t, addr: free.Addr().String()}
	t.Cleanup(h.kill)
	return h
}

func startHub(t *testing.T) *hub {
	t.Helper()
	h := newHub(t)
	h.start()
	return h
}

func (h *hub) start() {
	h.t.Helper()
	h.cmd = exec.Command(testbroker, "-listen", h.addr)
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		h.t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.read.Go(func() {
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 4<<20)
		for scan.Scan() {
			var m line
			if json.Unmarshal(scan.Bytes(), &m) == nil {
				h.mu.Lock()
				h.heard = append(h.heard, m)
				h.mu.Unlock()
			}
		}
	})
	eventually(h.t, "the broker listens", func() bool {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// kill ends the process as kill -9 does.
func (h *hub) kill() {
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Kill()
	h.read.Wait()
	_ = h.cmd.Wait()
	h.cmd = nil
}

// halt leaves the process and its connections there, but nothing answers.
func (h *hub) halt() {
	h.t.Helper()
	h.signal(syscall.SIGSTOP)
	status := fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid)
	eventually(h.t, "the process is halted", func() bool {
		text, err := os.ReadFile(status)
		return err == nil && strings.Contains(string(text), "State:\tT")
	})
}

func (h *hub) resume() { h.signal(syscall.SIGCONT) }

func (h *hub) signal(s os.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) say(topic, payload string, retain bool) {
	h.t.Helper()
	if err := json.NewEncoder(h.in).Encode(line{topic, payload, retain}); err != nil {
		h.t.Fatal(err)
	}
}

// payloads returns what was heard on a topic, in order.
func (h *hub) payloads(topic string) (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.heard {
		if m.Topic == topic {
			all = append(all, m.Payload)
		}
	}
	return all
}

func (h *hub) has(topic, payload string) bool {
	for _, p := range h.payloads(topic) {
		if p == payload {
			return true
		}
	}
	return false
}

// agent runs a link and remembers what it was told.
type agent struct {
	*link.Link
	host   string
	cancel context.CancelFunc
	ended  chan struct{} // closed when Run has returned

	mu       sync.Mutex
	sessions []string
	ends     []error
	messages []line
	block    chan struct{} // while it is open, OnMessage doesn't return
	session  string        // the present one, "" for none
}

func topicOf(host, leaf string) string { return "muster/v1/hosts/" + host + "/" + leaf }

func (a *agent) topic(leaf string) string { return topicOf(a.host, leaf) }

// quick has times for tests; the watchdog is as good as off.
func quick(h *hub, host string) link.Options {
	o := link.DefaultOptions()
	o.Server, o.Host, o.MachineID = "tcp://"+h.addr, host, "machine-of-"+host
	o.Logger = slog.New(slog.DiscardHandler)
	o.Watchdog = time.Hour
	o.ReconnectMin, o.ReconnectFirst, o.ReconnectMax = time.Millisecond, 50*time.Millisecond, 200*time.Millisecond
	return o
}

func startAgent(t *testing.T, o link.Options) *agent {
	t.Helper()
	a := &agent{host: o.Host, ended: make(chan struct{}), block: make(chan struct{})}
	close(a.block)
	o.Will = func(session string) (string, []byte) { return a.topic("presence"), []byte("lost " + session) }
	o.OnConnected = func(session string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.sessions, a.session = append(a.sessions, session), session
		if err := a.Set(a.topic("presence"), []byte("online "+session), true); err != nil {
			t.Error(err)
		}
	}
	o.OnDisconnected = func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.ends, a.session = append(a.ends, err), ""
	}
	o.OnMessage = func(topic string, payload []byte) {
		a.mu.Lock()
		block := a.block
		a.messages = append(a.messages, line{Topic: topic, Payload: string(payload)})
		a.mu.Unlock()
		<-block
	}
	var err error
	if a.Link, err = link.New(o); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(a.ended)
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { a.end(t) })
	return a
}

func (a *agent) end(t *testing.T) {
	t.Helper()
	a.cancel()
	select {
	case <-a.ended:
	case <-time.After(patience):
		t.Fatal("Run doesn't return")
	}
}

func (a *agent) up() bool { return a.current() != "" }

func (a *agent) current() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session
}

func (a *agent) connections() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.sessions)
}

func (a *agent) payloads(topic string) (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.messages {
		if m.Topic == topic {
			all = append(all, m.Payload)
		}
	}
	return all
}

func (a *agent) set(t *testing.T, leaf, payload string, retain bool) {
	t.Helper()
	if err := a.Set(a.topic(leaf), []byte(payload), retain); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until what is said holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
