//go:build e2e && soak

package hosts_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/test/hosts"
)

func TestHostsReachEachOther(t *testing.T) {
	f := fleet(t, "web1", "web2")
	for _, h := range f.Hosts {
		start(t, h, h.Name)
	}
	web1, web2 := f.Host("web1"), f.Host("web2")
	for _, h := range f.Hosts {
		answers(t, "http://"+h.Address, h.Name)
	}
	t.Run("a program on the other host", func(t *testing.T) {
		out, err := web1.Command(t.Context(), "bash", "-c",
			`exec 3<>/dev/tcp/$0/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && cat <&3 && hostname`, web2.Address).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !strings.HasSuffix(string(out), "web2web1\n") {
			t.Fatalf("got %q, want the greeting of web2 and then the own host name", out)
		}
	})
	t.Run("a container on the other host", func(t *testing.T) {
		answers(t, "http://"+web1.Address+"/fetch?url="+url.QueryEscape("http://"+web2.Address), "web2")
	})
	t.Run("a container and its own host", func(t *testing.T) {
		answers(t, "http://"+web1.Address+"/fetch?url="+url.QueryEscape("http://"+web1.Address), "web1")
	})
	t.Run("engines know their own containers only", func(t *testing.T) {
		docker(t, web1, "rm", "--force", docker(t, web1, "ps", "--quiet"))
		answers(t, "http://"+web2.Address, "web2")
		if one, two := docker(t, web1, "info", "--format", "{{.ID}}"), docker(t, web2, "info", "--format", "{{.ID}}"); one == two {
			t.Fatalf("both engines have the id %s", one)
		}
	})
}

func TestLink(t *testing.T) {
	f := fleet(t, "web1", "web2")
	web1 := f.Host("web1")
	start(t, web1, "here")
	address := "http://" + web1.Address
	answers(t, address, "here")
	if err := web1.LinkDown(t.Context()); err != nil {
		t.Fatal(err)
	}
	silent(t, address)
	if docker(t, web1, "ps", "--quiet") == "" {
		t.Fatal("the container stopped with the link")
	}
	if err := web1.LinkUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers(t, address, "here")

	const delay = 150 * time.Millisecond
	spoil(t, web1, hosts.Line{Delay: delay}, func() {
		began := time.Now()
		answers(t, address, "here")
		if took := time.Since(began); took < 2*delay { // a connection, and an answer
			t.Errorf("an answer took %s on a line that delays by %s", took, delay)
		}
	})
	answers(t, address, "here")
	spoil(t, web1, hosts.Line{Loss: 1}, func() { silent(t, address) })
	answers(t, address, "here")
}

// spoil does something on a bad line.
func spoil(t *testing.T, h *hosts.Host, line hosts.Line, do func()) {
	t.Helper()
	mend, err := h.SpoilLink(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	do()
	if err := mend(); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryLimit(t *testing.T) {
	f := fleet(t, "web1")
	id := start(t, f.Hosts[0], "small", "--memory", "24m")
	parent := f.Name + "-web1"
	for _, path := range []string{
		filepath.Join("/sys/fs/cgroup/memory", parent, id, "memory.limit_in_bytes"),
		filepath.Join("/sys/fs/cgroup", parent, id, "memory.max"),
	} {
		if data, err := os.ReadFile(path); err == nil {
			if got := strings.TrimSpace(string(data)); got != "25165824" {
				t.Fatalf("%s is %s", path, got)
			}
			return
		}
	}
	t.Fatal("the container's memory cgroup isn't where it should be")
}

// TestInstalledProgram runs a program of this machine in an image, and reaches
// it from the other host.
func TestInstalledProgram(t *testing.T) {
	files, err := hosts.ProgramFiles(t.Context(), "redis-server")
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "redis.tar")
	err = hosts.WriteImage(archive, hosts.Image{
		Tag: "muster-test/redis:1", Files: files, WorkingDir: "/",
		Entrypoint: []string{"redis-server"}, Cmd: []string{"--save", "", "--protected-mode", "no"},
		Env: []string{"PATH=/usr/bin:/bin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := fleet(t, "web1", "web2")
	web1, web2 := f.Host("web1"), f.Host("web2")
	if err := web1.LoadImage(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
	docker(t, web1, "run", "--detach", "--publish", "6379:6379", "muster-test/redis:1")
	eventually(t, "ping redis", func() error {
		out, err := web2.Command(t.Context(), "bash", "-c",
			`exec 3<>/dev/tcp/$0/6379 && printf 'PING\r\n' >&3 && read -r -t 5 answer <&3 && echo "$answer"`, web1.Address).Output()
		if err == nil && strings.TrimSpace(string(out)) != "+PONG" {
			err = fmt.Errorf("answer %q", out)
		}
		return err
	})
}
