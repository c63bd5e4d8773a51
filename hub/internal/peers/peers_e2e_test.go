//go:build e2e

package peers

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/shared/fleet"
)

// dialPath names the variable with the socket that another user's copy of this program
// connects to.
const dialPath = "PEERS_DIAL"

// nobody is a user that has no right to anything.
const nobody = 65534

func init() {
	if path := os.Getenv(dialPath); path != "" {
		dial(path)
		os.Exit(0)
	}
}

// dial is what another user does: connect, and say what it hears.
func dial(path string) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Println("dial:", err)
		return
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	fmt.Print(line)
}

// answer tells everybody who connects who they are.
func answer(t *testing.T, path string, m machine) {
	t.Helper()
	listener, err := listen(path, newUsers(m))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			by, err := conn.(interface {
				Principal() (fleet.Principal, error)
			}).Principal()
			fmt.Fprintf(conn, "%s %s %s %s: %v\n", by.Name, by.Role, by.Via, by.From, err)
			conn.Close()
		}
	}()
}

// as connects as another user.
func as(t *testing.T, path string, uid, gid uint32) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can be somebody else: run this test as root")
	}
	program := filepath.Join(filepath.Dir(filepath.Dir(path)), "dial")
	if _, err := os.Stat(program); err != nil {
		self, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, self, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program)
	cmd.Dir, cmd.Env = "/", []string{dialPath + "=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestWhoIsAtTheOtherEnd(t *testing.T) {
	m := &fake{gid: "4242", names: map[string]string{"0": "toor", "65534": "nobody", "1001": "ann", "1002": "bob"}, members: map[string][]string{"1001": {"100", "4242"}}}
	path := place(t)
	answer(t, path, m)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 || info.Sys().(*syscall.Stat_t).Gid != 4242 {
		t.Errorf("with the group: %v, %v", info.Mode(), err)
	}
	if got := as(t, path, nobody, nobody); !strings.Contains(got, "permission denied") {
		t.Errorf("the socket's mode keeps nobody out: %s", got)
	}
	// The mode is one guard, what the kernel says of the other end another.
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid, gid uint32
		want     string
	}{
		{0, 0, "root admin socket uid 0: <nil>"},
		{1001, 100, "ann admin socket uid 1001: <nil>"},
		{1002, 4242, "bob admin socket uid 1002: <nil>"},
		{1003, 4242, "uid 1003 admin socket uid 1003: <nil>"},
		{1002, 100, "bob  socket uid 1002: bob may not use the hub's socket: it is for root and the group muster (as root: usermod -aG muster bob, then log in to the machine anew; or muster login at the hub's address)"},
		{nobody, nobody, "nobody  socket uid 65534: nobody may not use"},
		{1003, 100, "uid 1003  socket uid 1003: uid 1003 may not use"},
	} {
		if got := as(t, path, c.uid, c.gid); !strings.HasPrefix(got, c.want) {
			t.Errorf("uid %d gid %d: %s; want %s", c.uid, c.gid, got, c.want)
		}
	}
}

func TestWithoutTheGroup(t *testing.T) {
	m := &fake{members: map[string][]string{"1001": {"", "4242"}}}
	path := place(t)
	answer(t, path, m)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("without the group: %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[uint32]string{0: "root admin", 1001: "uid 1001  socket uid 1001: uid 1001 may not"} {
		if got := as(t, path, uid, 100); !strings.HasPrefix(got, want) {
			t.Errorf("uid %d: %s", uid, got)
		}
	}
}
