package lbtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Loopback is an address of this test process alone. HAProxy shares its ports
// with whoever binds them in the same way: another test's HAProxy would get
// some of this one's connections.
var Loopback = fmt.Sprintf("127.%d.%d.1", 1+os.Getpid()>>8&0x7f, os.Getpid()&0xff)

// NewPool is an HTTP service on a free port of this machine.
func NewPool(t testing.TB, name string) *fleet.Pool {
	return &fleet.Pool{
		Service: fleet.ServiceKey{Project: "shop", Name: name},
		Routes:  []fleet.Route{{Target: 80, Listen: []int{FreePort(t)}, Protocol: fleet.ProtocolHTTP}},
		Check:   fleet.Check{Type: fleet.ProbeHTTP, Path: "/health", Interval: fleet.Duration(200 * time.Millisecond)},
	}
}

// RoutedPool listens where another pool does, for some host names and paths.
func RoutedPool(t testing.TB, name string, port int, hosts, paths string) *fleet.Pool {
	t.Helper()
	pool := NewPool(t, name)
	pool.Routes[0].Listen, pool.Routes[0].Hosts, pool.Routes[0].Paths = []int{port}, strings.Fields(hosts), strings.Fields(paths)
	pool.Endpoints = []fleet.Endpoint{NewProgram(t, name).Endpoint(fleet.EndpointReady)}
	return pool
}

// Address is where a pool's first route listens.
func Address(pool *fleet.Pool) string {
	return fmt.Sprintf("%s:%d", Loopback, pool.Routes[0].Listen[0])
}

// PoolOf is what is reported of a service.
func PoolOf(actual fleet.BalancerActual, key fleet.ServiceKey) fleet.PoolActual {
	i := slices.IndexFunc(actual.Pools, func(p fleet.PoolActual) bool { return p.Service == key })
	if i < 0 {
		return fleet.PoolActual{}
	}
	return actual.Pools[i]
}

// EndpointOf is what is reported of an instance.
func EndpointOf(actual fleet.BalancerActual, key fleet.ServiceKey, instance string) fleet.EndpointActual {
	pool := PoolOf(actual, key)
	i := slices.IndexFunc(pool.Endpoints, func(e fleet.EndpointActual) bool { return e.Instance == instance })
	if i < 0 {
		return fleet.EndpointActual{}
	}
	return pool.Endpoints[i]
}

// Set gives an instance's endpoint another state.
func Set(pool *fleet.Pool, instance, state string) {
	for i := range pool.Endpoints {
		if pool.Endpoints[i].Instance == instance {
			pool.Endpoints[i].State = state
		}
	}
}

// Remove takes an instance's endpoint out.
func Remove(pool *fleet.Pool, instance string) {
	pool.Endpoints = slices.DeleteFunc(slices.Clone(pool.Endpoints), func(e fleet.Endpoint) bool { return e.Instance == instance })
}

// lastPort is the last one that FreePort gave away. All are below those that
// the kernel gives to whoever names none: programs, and ends of connections.
var lastPort atomic.Int64

// FreePort returns a port of Loopback that is given away this once.
func FreePort(t testing.TB) int {
	t.Helper()
	lastPort.CompareAndSwap(0, 10000)
	for {
		port := int(lastPort.Add(1))
		listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", Loopback, port))
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
