package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hub"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/test/logbuf"
)

// peopled is a hub that wants to know who asks.
type peopled struct {
	t      *testing.T
	o      hub.Options
	log    *logbuf.Buffer
	socket *http.Client
}

func peopleHub(t *testing.T) *peopled {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hub") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &peopled{t: t, o: hub.DefaultOptions(), log: &logbuf.Buffer{}}
	p.o.StateDir, p.o.MQTTS, p.o.HTTPS, p.o.MQTT, p.o.HTTP = filepath.Join(dir, "state"), "", "", free(t), free(t)
	p.o.Socket, p.o.SocketWanted = filepath.Join(dir, "hub.sock"), true
	p.o.Logger = slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", p.o.Socket)
	}}
	p.socket = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	p.start()
	return p
}

func (p *peopled) start() {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hub.Run(ctx, p.o) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if response, err := http.Get("http://" + p.o.HTTP + "/healthz"); err == nil {
			response.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the hub doesn't answer: %s", p.log)
		}
	}
}

// ask asks by HTTP, or without a token "socket" by the socket.
func (p *peopled) ask(token, method, path, body string) (int, string) {
	p.t.Helper()
	client := http.DefaultClient
	if token == "socket" {
		client, token = p.socket, ""
	}
	request, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.o.HTTP+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

// want asks and wants a status; it returns the answer.
func (p *peopled) want(status int, token, method, path, body string) string {
	p.t.Helper()
	got, answer := p.ask(token, method, path, body)
	if got != status {
		p.t.Fatalf("%s %s: %d %s; want %d", method, path, got, answer, status)
	}
	return answer
}

func token(t *testing.T, answer string) string {
	t.Helper()
	var said struct{ Token string }
	if err := json.Unmarshal([]byte(answer), &said); err != nil || said.Token == "" {
		t.Fatalf("%s: %v", answer, err)
	}
	return said.Token
}

// TestPeople is the way from a new hub to one with people, through its real parts:
// the first admin, others, programs, the socket, what they may, and what is written
// down of it.
func TestPeople(t *testing.T) {
	p := peopleHub(t)
	const password, other = "correct horse battery", "staple of another kind"
	p.want(401, "", "GET", "/v1/hosts", "")
	p.want(401, "", "GET", "/metrics", "")
	raw, err := os.ReadFile(filepath.Join(p.o.StateDir, "first-admin"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(raw))
	p.want(401, "", "POST", "/v1/first-admin", `{"secret":"wrong","name":"ann","password":"`+password+`"}`)
	ann := token(t, p.want(200, "", "POST", "/v1/first-admin", `{"secret":"`+secret+`","name":"ann","password":"`+password+`"}`))
	if _, err := os.Stat(filepath.Join(p.o.StateDir, "first-admin")); !os.IsNotExist(err) {
		t.Errorf("the first admin's secret: %v", err)
	}
	p.want(204, ann, "POST", "/v1/users", `{"name":"vic","role":"viewer","password":"`+other+`"}`)
	vic := token(t, p.want(200, "", "POST", "/v1/login", `{"name":"vic","password":"`+other+`"}`))
	ci := token(t, p.want(200, ann, "POST", "/v1/api-tokens", `{"user":"ann","name":"ci","role":"operator","ttl":"1h"}`))
	p.want(200, vic, "GET", "/v1/hosts", "")
	p.want(403, vic, "POST", "/v1/hosts/web1/drain", "")
	p.want(403, vic, "GET", "/v1/audit", "")
	p.want(404, ci, "POST", "/v1/hosts/web1/drain", "") // let in; there is no such host
	p.want(403, ci, "GET", "/v1/users", "")
	if who := p.want(200, "socket", "GET", "/v1/whoami", ""); os.Geteuid() == 0 && !strings.Contains(who, `"name":"root","role":"admin","via":"socket","from":"uid 0"`) {
		t.Error(who)
	}
	p.want(204, ann, "PATCH", "/v1/users/vic", `{"role":"operator"}`)
	p.want(404, vic, "POST", "/v1/hosts/web1/drain", "")
	p.want(204, ann, "DELETE", "/v1/users/vic", "")
	p.want(401, vic, "GET", "/v1/hosts", "")
	p.want(409, ann, "DELETE", "/v1/users/ann", "")
	p.want(204, "socket", "PUT", "/v1/users/ann/password", `{"password":"`+other+`"}`)
	p.want(401, ann, "GET", "/v1/hosts", "")
	p.want(401, "", "POST", "/v1/login", `{"name":"ann","password":"`+password+`"}`)

	var list struct{ Items []fleet.AuditEntry }
	if err := json.Unmarshal([]byte(p.want(200, ci, "GET", "/v1/audit?limit=1000", "")), &list); err != nil {
		t.Fatal(err)
	}
	said := ""
	for i := len(list.Items) - 1; i >= 0; i-- {
		e := list.Items[i]
		said += strings.Join([]string{e.Who, e.Via, e.Do, e.Subject, e.Result}, " ") + "\n"
	}
	want := `ann http first-admin users/ann refused
ann http first-admin users/ann done
ann http user-add users/vic done
vic http login users/vic done
ann http api-token-add users/ann/api-tokens/ci done
vic http host-drain hosts/web1 refused
vic http list-audit /v1/audit refused
ann/ci http host-drain hosts/web1 refused
ann/ci http list-users /v1/users refused
ann http user-role users/vic done
vic http host-drain hosts/web1 refused
ann http user-remove users/vic done
(a token) http login  refused
ann http user-remove users/ann refused
root socket user-password users/ann done
ann http login  refused
`
	sorted := func(text string) []string { return slices.Sorted(strings.Lines(text)) } // a refusal is written when it was answered
	if os.Geteuid() == 0 && !slices.Equal(sorted(said), sorted(want)) {
		t.Errorf("the audit trail says\n%swant\n%s", said, want)
	}
	stored, err := os.ReadFile(filepath.Join(p.o.StateDir, "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{password, other, secret, ann, vic, ci, ann[len(ann)-52:], ci[len(ci)-52:]} {
		if strings.Contains(p.log.String(), word) || bytes.Contains(stored, []byte(word)) {
			t.Errorf("%q is in the log or in the store", word)
		}
	}
}

// TestASecondHubLeavesTheSocket: a live hub's socket isn't taken away; the usual one
// can be done without, one that was asked for can't.
func TestASecondHubLeavesTheSocket(t *testing.T) {
	p := peopleHub(t)
	second := p.o
	second.StateDir, second.MQTT, second.HTTP = t.TempDir(), free(t), free(t)
	if err := hub.Run(t.Context(), second); fleet.CodeOf(err) != fleet.CodeConflict || !strings.Contains(err.Error(), "another hub answers at "+p.o.Socket) {
		t.Fatal(err)
	}
	q := &peopled{t: t, o: second, log: &logbuf.Buffer{}}
	q.o.SocketWanted, q.o.Logger = false, slog.New(slog.NewTextHandler(q.log, nil))
	q.start()
	if !strings.Contains(q.log.String(), "there is no socket for people on this machine") {
		t.Errorf("it doesn't say so: %s", q.log)
	}
	p.want(200, "socket", "GET", "/v1/whoami", "")
}
