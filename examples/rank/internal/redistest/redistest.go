// Package redistest runs a real redis-server for a test.
package redistest

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is how long a server may take to answer.
const patience = 20 * time.Second

// Server is a redis-server on a port of its own. Its data, in a temporary
// directory, survive Stop and Start.
type Server struct {
	Addr string

	t   *testing.T
	dir string
	cmd *exec.Cmd
}

// Run starts a server, which ends with the test.
func Run(t *testing.T) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	t.Cleanup(s.Stop)
	var err error
	for range 5 { // another process may take a port that was just free
		s.Addr = freeAddr(t)
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// Start starts the stopped server again, on the same port.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Stop ends the server, as a reboot of its host would.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *Server) start() error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("this test needs redis-server; run: make setup (%w)", err)
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	var output bytes.Buffer
	cmd := exec.Command(binary, "--port", port, "--bind", "127.0.0.1", "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	s.cmd = cmd
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if s.answers() {
			return nil
		}
	}
	s.Stop()
	return fmt.Errorf("redis-server on %s does not answer:\n%s", s.Addr, output.String())
}

// answers is true once the server has loaded its data.
func (s *Server) answers() bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", s.Addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(conn, "PING\r\n")
	answer := make([]byte, 64)
	n, _ := conn.Read(answer)
	return strings.HasPrefix(string(answer[:n]), "+PONG")
}

func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
