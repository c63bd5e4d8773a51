package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/examples/rank/image"
	"github.com/musterhq/muster/examples/rank/internal/redistest"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

var binaries = map[int]string{} // the service's versions, built once for all tests

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rank")
	if err != nil {
		panic(err)
	}
	for version := 1; version <= 3; version++ {
		binaries[version] = filepath.Join(dir, fmt.Sprint("rank", version))
		build := exec.Command("go", "build", "-ldflags", fmt.Sprint("-X main.version=", version), "-o", binaries[version], image.RankPackage(version))
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build version %d: %v\n%s", version, err, out)
			os.Exit(1)
		}
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
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	grpc string // address; nothing listens there before version 2
	done chan struct{}
}

// freeAddresses are two that nobody has. They are on a loopback address of this
// process's own: elsewhere, somebody's outgoing connection may take such a port
// before the service does.
func freeAddresses(t *testing.T) (a, b string) {
	t.Helper()
	pid := os.Getpid()
	own := fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>14&0x7f, pid>>7&0x7f, 1+pid&0x7f)
	var found [2]string
	for i := range found {
		listener, err := net.Listen("tcp", own)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		found[i] = listener.Addr().String()
	}
	return found[0], found[1]
}

func start(t *testing.T, version int, name, store string) *instance {
	t.Helper()
	addr, grpc := freeAddresses(t)
	cmd := exec.Command(binaries[version])
	cmd.Env = []string{"LISTEN=" + addr, "LISTEN_GRPC=" + grpc, "STORE=" + store, "MUSTER_INSTANCE=" + name}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, cmd: cmd, url: "http://" + addr, grpc: grpc, done: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(in.done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-in.done })
	until(t, name+" answers", func() bool { code, _ := in.ask("GET", "/", ""); return code == 200 })
	return in
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %v until %s", patience, what)
}

// ask returns status 0 where there is no answer.
func (in *instance) ask(method, path, body string) (int, string) {
	r, err := http.NewRequest(method, in.url+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func person(name string, weight float64) string {
	return fmt.Sprintf(`{"name":%q,"sex":"male","age":35,"height":180,"weight":%v}`, name, weight)
}

// Old and new versions stand side by side on one board, each with old clients.
func TestInstancesShareTheBoard(t *testing.T) {
	for _, versions := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {2, 2}} {
		t.Run(fmt.Sprint("versions ", versions), func(t *testing.T) { shareTheBoard(t, versions[0], versions[1]) })
	}
}

func shareTheBoard(t *testing.T, first, second int) {
	store := redistest.Run(t)
	one, two := start(t, first, "i1", store.Addr), start(t, second, "i2", store.Addr)
	if code, body := one.ask("POST", "/people", person("Ann", 80)); code != 200 ||
		!strings.Contains(body, fmt.Sprintf(`"version":"%d","instance":"i1"`, first)) {
		t.Fatalf("enter Ann: %d %s", code, body)
	}
	code, body := two.ask("GET", "/people/Ann", "")
	if code != 200 || !strings.Contains(body, `"recorded_by":"i1"`) || !strings.Contains(body, `"instance":"i2"`) {
		t.Fatalf("look Ann up elsewhere: %d %s", code, body)
	}

	var writers sync.WaitGroup
	for _, in := range []*instance{one, two} {
		for i := range 100 {
			writers.Go(func() {
				if code, body := in.ask("POST", "/people", person("Ann", 60+float64(i)/2)); code != 200 {
					t.Errorf("%d %s", code, body)
				}
			})
		}
	}
	writers.Wait()
	var ann struct{ Percent float64 }
	_, body = one.ask("GET", "/people/Ann", "")
	if err := json.Unmarshal([]byte(body), &ann); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"entries":[{"rank":1,"name":"Ann","percent":%v}],"people":1,`, ann.Percent)
	if code, body := two.ask("GET", "/board", ""); code != 200 || !strings.HasPrefix(body, want) {
		t.Fatalf("board: %d %s, want %s", code, body, want)
	}
}

func TestReadyOnlyWhileTheStoreAnswers(t *testing.T) {
	store := redistest.Run(t)
	in := start(t, 1, "i1", store.Addr)
	healthy := func() bool { code, _ := in.ask("GET", "/healthz", ""); return code == 200 }
	until(t, "it is ready", healthy)
	in.ask("POST", "/people", person("Ann", 80))
	store.Stop()
	if code, body := in.ask("GET", "/healthz", ""); code != 503 {
		t.Fatalf("without a store: %d %s", code, body)
	}
	store.Start()
	until(t, "it is ready again", healthy)
	if code, body := in.ask("GET", "/people/Ann", ""); code != 200 {
		t.Fatalf("Ann: %d %s", code, body)
	}
}

// A request that runs when the service is told to stop is answered.
func TestStopsGracefully(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) { stopsGracefully(t, version) })
	}
}

func stopsGracefully(t *testing.T, version int) {
	store := redistest.Run(t)
	in := start(t, version, "i1", store.Addr)
	conn, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	body := person("Ann", 80)
	fmt.Fprintf(conn, "POST /people HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	answer := make([]byte, 4096)
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 100") {
		t.Fatalf("want the service to ask for the body: %q %v", answer[:n], err)
	}
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "it accepts no more", func() bool { code, _ := in.ask("GET", "/", ""); return code == 0 })
	fmt.Fprint(conn, body)
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
		t.Fatalf("the running request: %q %v", answer[:n], err)
	}
	select {
	case <-in.done:
	case <-time.After(patience):
		t.Fatal("the service did not end")
	}
	if code := in.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}
