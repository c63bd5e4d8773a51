package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

var binary string // the service, built once for all tests

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "app")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=7", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the service: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// instance is one running process of the service.
type instance struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	exited chan struct{}
}

func start(t *testing.T, env ...string) *instance {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(addr)

	cmd := exec.Command(binary)
	cmd.Env = append([]string{"PORT=" + port, "MUSTER_INSTANCE=i1"}, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, cmd: cmd, addr: addr, exited: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(in.exited) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-in.exited })
	return in
}

// started waits until the port answers.
func started(t *testing.T, env ...string) *instance {
	t.Helper()
	in := start(t, env...)
	until(t, "the service accepts connections", func() bool {
		conn, err := net.Dial("tcp", in.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return in
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %v until %s", patience, what)
}

func (in *instance) do(method, path, body string) (int, string, http.Header, error) {
	req, err := http.NewRequest(method, "http://"+in.addr+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), resp.Header, err
}

func (in *instance) status(method, path string) int {
	code, _, _, _ := in.do(method, path, "")
	return code
}

// exitCode waits for the process to end.
func (in *instance) exitCode() int {
	in.t.Helper()
	select {
	case <-in.exited:
		return in.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		in.t.Fatal("the process did not end")
		return 0
	}
}

func TestAnswers(t *testing.T) {
	in := started(t)
	code, body, header, err := in.do("GET", "/", "")
	if err != nil || code != 200 || body != `{"instance":"i1","version":"7"}`+"\n" {
		t.Fatalf("GET / = %d %q %v", code, body, err)
	}
	if header.Get("X-Instance") != "i1" || header.Get("X-Version") != "7" {
		t.Fatalf("headers: %v", header)
	}
	if code, body, _, err := in.do("POST", "/", "hello"); err != nil || code != 200 || body != "hello" {
		t.Fatalf("POST / = %d %q %v", code, body, err)
	}
	began := time.Now()
	if code, body, _, err := in.do("POST", "/slow?ms=200", "hi"); err != nil || code != 200 || body != "hi" {
		t.Fatalf("POST /slow = %d %q %v", code, body, err)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Fatalf("/slow?ms=200 took %v", took)
	}
	if code := in.status("GET", "/slow?ms=x"); code != 400 {
		t.Fatalf("/slow?ms=x = %d", code)
	}
}

func TestHealth(t *testing.T) {
	in := started(t)
	for _, step := range []struct {
		path string
		want int
	}{{"/healthz", 200}, {"/unhealthy", 200}, {"/healthz", 503}, {"/healthy", 200}, {"/healthz", 200}} {
		if code := in.status("GET", step.path); code != step.want {
			t.Fatalf("%s = %d, want %d", step.path, code, step.want)
		}
	}
	if code := started(t, "UNHEALTHY=1").status("GET", "/healthz"); code != 503 {
		t.Fatalf("born unhealthy: %d", code)
	}
	if code := started(t, "READY_AFTER=1h").status("GET", "/healthz"); code != 503 {
		t.Fatalf("not ready yet: %d", code)
	}
	late := started(t, "READY_AFTER=200")
	until(t, "it is ready", func() bool { return late.status("GET", "/healthz") == 200 })
}

func TestStopping(t *testing.T) {
	for _, c := range []struct {
		onTerm     string
		slowStatus int // of the request that runs during SIGTERM; 0: cut
		serves     bool
	}{
		{"graceful", 200, false},
		{"exit", 0, false},
		{"ignore", 200, true},
	} {
		t.Run(c.onTerm, func(t *testing.T) {
			in := started(t, "ON_TERM="+c.onTerm)
			conn, err := net.Dial("tcp", in.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// "100 Continue" comes when the handler asks for the body: the
			// request is running when the signal is sent.
			fmt.Fprint(conn, "POST /slow?ms=700 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			interim := make([]byte, 4096)
			if n, err := conn.Read(interim); err != nil || !bytes.HasPrefix(interim[:n], []byte("HTTP/1.1 100")) {
				t.Fatalf("interim answer: %q %v", interim[:n], err)
			}
			fmt.Fprint(conn, "x")
			if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 4096)
			n, err := conn.Read(answer)
			if c.slowStatus == 0 {
				if err == nil {
					t.Fatalf("want a cut connection, got %q", answer[:n])
				}
			} else if !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200")) {
				t.Fatalf("slow request: %q %v", answer[:n], err)
			}
			if c.serves {
				if code := in.status("GET", "/"); code != 200 {
					t.Fatalf("after SIGTERM: %d", code)
				}
				return
			}
			if code := in.exitCode(); code != 0 {
				t.Fatalf("exit code %d", code)
			}
		})
	}
}

func TestCrashing(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want int
	}{
		{"at once", []string{"EXIT_CODE=42"}, 42},
		{"at once, cleanly", []string{"EXIT_CODE=0"}, 0},
		{"later", []string{"CRASH_AFTER=100ms"}, 1},
		{"later with a code", []string{"CRASH_AFTER=100", "EXIT_CODE=9"}, 9},
		{"wrong setting", []string{"ON_TERM=never"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code := start(t, c.env...).exitCode(); code != c.want {
				t.Fatalf("exit code %d, want %d", code, c.want)
			}
		})
	}
	in := started(t)
	if _, _, _, err := in.do("POST", "/crash", ""); err == nil {
		t.Fatal("/crash answered")
	}
	if code := in.exitCode(); code != 1 {
		t.Fatalf("/crash: exit code %d", code)
	}
}

func TestWebSocket(t *testing.T) {
	in := started(t)
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+in.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != "hello" {
		t.Fatalf("echo: %q %v", got, err)
	}
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Fatalf("want a close frame, got %v", err)
	}
	if code := in.exitCode(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}

// TestCheck: the same program says how the service is, for healthchecks.
func TestCheck(t *testing.T) {
	for env, want := range map[string]int{"UNHEALTHY=0": 0, "UNHEALTHY=1": 1} {
		in := started(t, env)
		_, port, _ := net.SplitHostPort(in.addr)
		cmd := exec.Command(binary, "check")
		cmd.Env = []string{"PORT=" + port}
		_ = cmd.Run() // its code is what counts
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: %d", env, got)
		}
	}
}
