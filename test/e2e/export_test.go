//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExports: balancers that no agent drives, started with what the command line
// writes, send to every instance; what is fetched over HTTP follows the fleet.
func TestExports(t *testing.T) {
	t.Parallel()
	p := begin(t, "exports")
	file := p.file(`
services:
  web:
    image: app:1
    stop_grace_period: 2s
    deploy: {replicas: 3, x-rollout: {monitor: 1s}}
    x-lb: {listen: 9640, target: 8080, check: {path: /healthz}, balancers: [elsewhere]}
`)
	p.mustMuster("apply", "-f", file, "--wait", "--timeout", patience)
	instances := p.instances("web")

	dir := p.TempDir()
	for program, start := range map[string]func(string, string) *exec.Cmd{"haproxy": p.ownHAProxy, "nginx": p.ownNginx} {
		exported := filepath.Join(dir, program+".muster")
		p.must(os.WriteFile(exported, []byte(p.mustMuster("lb", "export", "--format", program, "exports/web")), 0o600))
		address := freeAddress(t)
		cmd := start(exported, address)
		cmd.Dir = dir
		p.must(cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		answered := map[string]bool{}
		p.until(20*time.Second, program+" sends to every instance", func() (bool, string) {
			_, header, err := fetch(p.ctx(), "http://"+address+"/", "")
			if err != nil {
				return false, err.Error()
			}
			answered[header.Get("X-Instance")] = true
			return len(answered) == len(instances), fmt.Sprint(answered)
		})
		for _, id := range instances {
			if !answered[id] {
				t.Errorf("%s never sent to %s: %v", program, id, answered)
			}
		}
	}
	p.fetches(3)
}

// fetches follows an export over HTTP from so many instances to one more.
func (p *project) fetches(count int) {
	p.Helper()
	url := p.c.URL + "/v1/export/prometheus?service=exports/web"
	var groups []struct {
		Targets []string
		Labels  map[string]string
	}
	body, header, err := fetch(p.ctx(), url, "")
	if err != nil || json.Unmarshal(body, &groups) != nil || len(groups) != count {
		p.Fatalf("%v\n%s", err, body)
	}
	for _, group := range groups {
		if _, answer, err := fetch(p.ctx(), "http://"+group.Targets[0]+"/", ""); err != nil || answer.Get("X-Instance") != group.Labels["__meta_muster_instance"] {
			p.Errorf("%v answers %v, %v", group, answer, err)
		}
	}
	tag := header.Get("ETag")
	if same, _, err := fetch(p.ctx(), url, tag); err != nil || len(same) != 0 {
		p.Errorf("nothing has changed, and the answer is %s, %v", same, err)
	}
	p.mustMuster("scale", fmt.Sprintf("exports/web=%d", count+1), "--wait")
	body, _, err = fetch(p.ctx(), url, tag)
	if err != nil || json.Unmarshal(body, &groups) != nil || len(groups) != count+1 {
		p.Errorf("scaled up: %v\n%s", err, body)
	}
	p.mustMuster("scale", "exports/web=0", "--wait")
	if body, _, err := fetch(p.ctx(), url, ""); err != nil || strings.TrimSpace(string(body)) != "[]" {
		p.Errorf("scaled to nothing: %v\n%s", err, body)
	}
}

func (p *project) instances(service string) (ids []string) {
	p.Helper()
	list, err := p.c.Client.Instances(p.ctx(), p.key(service).String(), "")
	p.must(err)
	for _, in := range list.Items {
		if in.State == "ready" {
			ids = append(ids, in.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (p *project) ownHAProxy(exported, address string) *exec.Cmd {
	p.Helper()
	own := filepath.Join(filepath.Dir(exported), "own.cfg")
	p.must(os.WriteFile(own, fmt.Appendf(nil, "defaults\n    mode http\n    timeout connect 3s\n    timeout client 10s\n    timeout server 10s\nfrontend own\n    bind %s\n    default_backend exports.web.8080\n", address), 0o600))
	return exec.Command("/usr/sbin/haproxy", "-db", "-f", own, "-f", exported)
}

func (p *project) ownNginx(exported, address string) *exec.Cmd {
	p.Helper()
	own := filepath.Join(filepath.Dir(exported), "nginx.conf")
	p.must(os.WriteFile(own, fmt.Appendf(nil, `
daemon off; pid nginx.pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    include %s;
    server { listen %s; location / { proxy_pass http://exports.web.8080; } }
}
`, exported, address), 0o600))
	return exec.Command("/usr/sbin/nginx", "-p", filepath.Dir(exported), "-c", own)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// fetch gets a page, or nothing if it is still what the tag says. A status of failure
// is an error.
func fetch(ctx context.Context, url, tag string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	once := &http.Transport{DisableKeepAlives: true}
	response, err := once.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("the answer is %s: %s", response.Status, body)
	}
	return body, response.Header, err
}
