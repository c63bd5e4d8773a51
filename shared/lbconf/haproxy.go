package lbconf

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Global is what all pools of one HAProxy share. Zero values mean the
// defaults, which DefaultGlobal documents.
type Global struct {
	Name          string        // the balancer's
	RuntimeSocket string        // absolute path of the admin socket
	Bind          []netip.Addr  // addresses to listen on; none: every IPv4 address
	MaxConn       int           // open connections in all; 0: what the limit of open files allows
	HardStop      time.Duration // an old worker ends after this; never below the longest drain
	Retries       int           // attempts after a failed connection; 0: none, and no redispatch
	Connect       time.Duration // to an endpoint
	KeepAlive     time.Duration // an idle client's connection is kept this long
	Idle          time.Duration // without a byte in either direction during an exchange
	Tunnel        time.Duration // without a byte on a TCP connection or WebSocket
	// Certificates are the absolute paths of files with a chain and its key, by the
	// names that routes ask for them by.
	Certificates map[string]string
}

// DefaultGlobal returns what a balancer in production uses.
func DefaultGlobal() Global {
	return Global{
		HardStop:  fleet.DefaultDrainTimeout,
		Retries:   3,
		Connect:   3 * time.Second,
		KeepAlive: 10 * time.Second,
		Idle:      5 * time.Minute,
		Tunnel:    time.Hour,
	}
}

// Input is everything that a file is made from.
type Input struct {
	Global Global
	Pools  []fleet.Pool // sorted by Service
}

// HAProxy renders a sealed haproxy.cfg for HAProxy 2.6 and later: a frontend
// for each port to listen on and a backend for each (service, target) with
// the endpoints that are on that route. A port where host names and paths decide
// has one frontend for all services; see ListenerName. A draining endpoint has weight 0 and a
// preparing one is disabled, so that a reload or restart by hand never revives
// it. A removed pool has no section, but stays among the pools of the seal.
func HAProxy(input Input) ([]byte, error) {
	if err := validateGlobal(input.Global); err != nil {
		return nil, err
	}
	if err := validate(input.Pools); err != nil {
		return nil, err
	}
	if err := certified(input.Pools, input.Global.Certificates); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	writeGlobal(&body, input)
	writeVars(&body, input)
	writeDefaults(&body, input.Global)
	shared := shared(input.Pools)
	for _, pool := range input.Pools {
		writePool(&body, input.Global, pool, shared)
	}
	writeShared(&body, input.Global, shared)
	return seal(input.Pools, body.Bytes())
}

// maxTime is the longest that HAProxy can count.
const maxTime = math.MaxInt32 * time.Millisecond

func validateGlobal(global Global) error {
	if err := fleet.ValidateHost(global.Name); err != nil {
		return err
	}
	if !plainPath(global.RuntimeSocket) {
		return fleet.Invalid("runtimeSocket", "%q is not an absolute path without blanks, quotes and commas", global.RuntimeSocket)
	}
	if global.Retries < 0 || global.MaxConn < 0 {
		return fleet.Invalid("global", "retries and connections can't be negative")
	}
	for _, name := range slices.Sorted(maps.Keys(global.Certificates)) {
		if path := global.Certificates[name]; !IsCertificate(name) || !plainPath(path) {
			return fleet.Invalid("certificates", "%q in %q can't be named in a file of HAProxy's", name, path)
		}
	}
	if global.HardStop > maxTime {
		return fleet.Invalid("hardStop", "%s is longer than HAProxy can wait, which is %s", global.HardStop, maxTime)
	}
	return nil
}

// plainPath says whether a path means itself wherever HAProxy reads it.
func plainPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsAny(path, " \t\r\n\"'\\#$,")
}

func writeGlobal(out *bytes.Buffer, input Input) {
	global := input.Global
	hardStop := global.HardStop
	for _, pool := range input.Pools {
		if !pool.Removed {
			hardStop = max(hardStop, pool.DrainTimeout.Or(fleet.DefaultDrainTimeout))
		}
	}
	fmt.Fprintf(out, "global\n")
	fmt.Fprintf(out, "    description muster balancer %s\n", global.Name)
	fmt.Fprintf(out, "    stats socket %s mode 600 level admin\n", global.RuntimeSocket)
	fmt.Fprintf(out, "    max-spread-checks %s\n", millis(FirstCheck))
	fmt.Fprintf(out, "    hard-stop-after %s\n", millis(hardStop))
	if global.MaxConn > 0 {
		fmt.Fprintf(out, "    maxconn %d\n", global.MaxConn)
	}
}

// writeVars tells a worker what it was started with. It continues the global
// section.
func writeVars(out *bytes.Buffer, input Input) {
	fmt.Fprintf(out, "    set-var %s str(%s)\n", StructureVar, Structure(input))
	for _, pool := range input.Pools {
		fmt.Fprintf(out, "    set-var %s int(%d)\n", GenerationVar(pool.Service), pool.Generation)
	}
}

func writeDefaults(out *bytes.Buffer, global Global) {
	fmt.Fprintf(out, "\ndefaults\n")
	fmt.Fprintf(out, "    retries %d\n", global.Retries)
	if global.Retries > 0 {
		fmt.Fprintf(out, "    option redispatch\n")
	}
	fmt.Fprintf(out, "    timeout connect %s\n", millis(global.Connect))
	fmt.Fprintf(out, "    timeout queue %s\n", millis(global.KeepAlive))
}
