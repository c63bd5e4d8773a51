package lbtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// hello is a program that says what came before all else on each connection, and then
// what it hears.
func hello(t testing.TB) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", Loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(Patience))
				line, err := bufio.NewReader(conn).ReadString('\n')
				if err == nil {
					fmt.Fprintf(conn, "heard %s", line)
				}
			}()
		}
	}()
	return portOf(t, listener)
}

// TheClientsAddressByThePROXYProtocol reaches the program, also from a balancer in front of
// this one; a client that doesn't speak it gets nowhere there.
func TheClientsAddressByThePROXYProtocol(t *testing.T, d Driver) {
	r := NewRig(t, d)
	raw, web := NewPool(t, "raw"), NewPool(t, "web")
	behind := FreePort(t)
	raw.Check.Type = fleet.ProbeTCP
	raw.Routes[0].Protocol, raw.Routes[0].SendProxy = fleet.ProtocolTCP, true
	raw.Routes[0].Listen, raw.Routes[0].AcceptProxy = append(raw.Routes[0].Listen, behind), []int{behind}
	raw.Endpoints = []fleet.Endpoint{(&Program{ID: "raw", Port: hello(t)}).Endpoint(fleet.EndpointReady)}
	web.Routes[0].AcceptProxy = web.Routes[0].Listen
	web.Endpoints = []fleet.Endpoint{NewProgram(t, "a", tells).Endpoint(fleet.EndpointReady)}
	r.Apply(raw, web)
	r.Ready(raw, "raw")
	r.Ready(web, "a")
	say := func(address, text string) string {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(Patience))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		heard, _ := io.ReadAll(conn)
		return string(heard)
	}
	const front = "PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n"
	if heard := say(Address(raw), "hi\n"); !strings.HasPrefix(heard, "heard PROXY TCP4 127.0.0.1 "+Loopback+" ") {
		t.Errorf("heard %q", heard)
	}
	host, _, _ := net.SplitHostPort(Address(raw))
	heard := say(fmt.Sprintf("%s:%d", host, behind), front+"hi\n")
	told := heard == "heard "+front
	if !d.PassesFrontOn {
		told = strings.HasPrefix(heard, "heard PROXY TCP4 192.0.2.7 "+Loopback+" 4000 ")
	}
	if !told {
		t.Errorf("from a balancer in front: %q", heard)
	}
	const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	if heard := say(Address(web), front+request); !strings.HasSuffix(heard, "HTTP/1.1 x for 192.0.2.7 by ") {
		t.Errorf("by HTTP: %q", heard)
	}
	if heard := say(Address(web), request); heard != "" {
		t.Errorf("without it: %q", heard)
	}
}
