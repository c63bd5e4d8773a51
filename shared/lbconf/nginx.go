package lbconf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// NginxGlobal is what all pools of one nginx share. DefaultNginx has sensible
// values for all but Name, Dir and Version.
type NginxGlobal struct {
	Name      string        // the balancer's
	Dir       string        // absolute path of its own: sockets, pid file, logs
	LogDir    string        // absolute path of where workers find the log's socket; empty: Dir
	Version   NginxVersion  // decides what is written, and how
	User      string        // of the workers, "name group"; empty: the master's
	Stream    string        // absolute path of the module for TCP; empty: it is built in
	Bind      []netip.Addr  // addresses to listen on; none: every IPv4 address
	MaxConn   int           // open connections of each worker, on both sides; 0: DefaultWorkerConnections
	HardStop  time.Duration // an old worker ends after this; never below the longest drain
	Retries   int           // attempts at other endpoints after a failed connection
	Connect   time.Duration // to an endpoint
	KeepAlive time.Duration // an idle client's connection is kept this long
	Idle      time.Duration // without a byte in either direction during an exchange
	Tunnel    time.Duration // without a byte on a TCP connection, WebSocket or gRPC stream
}

// DefaultWorkerConnections is what a worker of nginx may have open.
const DefaultWorkerConnections = 16384

// upstreamIdle is how long a connection to an endpoint is kept without a
// request. An application that closes idle connections itself does so later, or
// a request that can't be sent twice would be lost now and then.
const upstreamIdle = time.Second

// DefaultNginx returns what a balancer in production uses: the same as HAProxy's.
func DefaultNginx() NginxGlobal {
	d := DefaultGlobal()
	return NginxGlobal{
		HardStop: d.HardStop, Retries: d.Retries, Connect: d.Connect,
		KeepAlive: d.KeepAlive, Idle: d.Idle, Tunnel: d.Tunnel,
	}
}

// NginxInput is everything that a file is made from.
type NginxInput struct {
	Global NginxGlobal
	Pools  []fleet.Pool // sorted by Service
	// Down are the servers of ready endpoints that get no traffic all the same:
	// their check fails, or hasn't passed yet. Sorted.
	Down []ServerName
	// Certificates are those that routes name.
	Certificates map[string]NginxCertificate
}

// NginxCertificate is a file that has a certificate, what it is signed by, and its key.
type NginxCertificate struct {
	Path  string
	Names []string // the host names that it is for
}

// ServerName is one endpoint on one route.
type ServerName struct {
	Service  fleet.ServiceKey `json:"service"`
	Target   int              `json:"target"`
	Instance string           `json:"instance"`
}

// Compare orders servers by service, route and instance.
func (s ServerName) Compare(other ServerName) int {
	switch {
	case s.Service.Less(other.Service):
		return -1
	case other.Service.Less(s.Service):
		return 1
	case s.Target != other.Target:
		return s.Target - other.Target
	}
	return strings.Compare(s.Instance, other.Instance)
}

// Names of what nginx has in its directory.
const (
	NginxStatusSocket = "status.sock" // answers who runs which file; see NginxStatus
	NginxLogSocket    = "log.sock"    // takes the lines of measured pools; datagrams
	NginxPIDFile      = "nginx.pid"
	NginxErrorLog     = "error.log"
)

// Nginx renders a sealed nginx.conf, whole, for nginx 1.18 and later. Only
// endpoints that are ready are among the servers: nginx learns nothing but by a
// reload. A removed pool has no section, but stays among the pools of the seal.
func Nginx(input NginxInput) ([]byte, error) {
	if err := validateNginx(input.Global); err != nil {
		return nil, err
	}
	if err := validate(input.Pools); err != nil {
		return nil, err
	}
	if err := validateForNginx(input); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, server := range input.Down {
		line, err := json.Marshal(server)
		if err != nil {
			return nil, fmt.Errorf("encode a server: %w", err)
		}
		fmt.Fprintf(&out, "%s%s\n", downMark, line)
	}
	out.Write(nginxBody(input, NginxStructure(input)))
	return seal(input.Pools, out.Bytes())
}

// NginxStructure fingerprints what nginx has to know: two inputs with the same
// one need no reload. A running nginx tells that of its file; see NginxStatus.
func NginxStructure(input NginxInput) string { return sum(nginxBody(input, ""))[:32] }

// structureLine is where a file tells its structure: see NginxStatus.
var structureLine = regexp.MustCompile(`(?m)^ +return 200 "\$nginx_version \$pid ([0-9a-f]{32})\\n";$`)

// NginxTells is the structure that a nginx which runs a file tells; empty: none.
func NginxTells(file []byte) string {
	match := structureLine.FindSubmatch(file)
	if match == nil {
		return ""
	}
	return string(match[1])
}

// NginxStatus is the path, over the status socket, that answers with nginx's
// version, the worker's process id and the structure of the file which it was started from.
const NginxStatus = "/muster"

const downMark = "# muster-down: "

// NginxDown returns the servers that a sealed file has as down.
func NginxDown(file []byte) ([]ServerName, error) {
	if _, err := Pools(file); err != nil {
		return nil, err
	}
	var down []ServerName
	for line := range strings.Lines(string(file)) {
		data, found := strings.CutPrefix(line, downMark)
		if !found {
			continue
		}
		var server ServerName
		if err := json.Unmarshal([]byte(data), &server); err != nil {
			return nil, fmt.Errorf("read the servers of a sealed file that are down: %w", err)
		}
		down = append(down, server)
	}
	return down, nil
}

func validateNginx(global NginxGlobal) error {
	if err := fleet.ValidateHost(global.Name); err != nil {
		return err
	}
	for name, path := range map[string]string{"dir": global.Dir, "stream": global.Stream, "logDir": global.LogDir} {
		if !strings.HasPrefix(path, "/") && (name == "dir" || path != "") || strings.ContainsAny(path, " \t\r\n\"'\\#$;{},") {
			return fleet.Invalid(name, "%q is not an absolute path without blanks, quotes and what nginx reads as its own", path)
		}
	}
	if strings.Trim(global.User, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ") != "" {
		return fleet.Invalid("user", "%q is no user and group", global.User)
	}
	if global.Retries < 0 || global.MaxConn < 0 {
		return fleet.Invalid("global", "retries and connections can't be negative")
	}
	if global.HardStop > maxTime {
		return fleet.Invalid("hardStop", "%s is longer than nginx can wait, which is %s", global.HardStop, maxTime)
	}
	return nil
}

func (g NginxGlobal) logDir() string {
	if g.LogDir != "" {
		return g.LogDir
	}
	return g.Dir
}

// validateForNginx refuses what nginx in particular can't have.
func validateForNginx(input NginxInput) error {
	for _, pool := range input.Pools {
		for i := range pool.Routes {
			if pool.Removed {
				continue
			}
			for _, names := range pool.Routes[i].Certificates {
				for _, name := range names {
					path := input.Certificates[name].Path
					if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\r\n\"'\\#$;{},") {
						return fleet.Invalid(pool.Service.String(), "there is no certificate %s", name)
					}
				}
			}
		}
	}
	return nil
}

// takers are the endpoints that get traffic on a route.
func takers(pool fleet.Pool, route fleet.Route, down []ServerName) (up []fleet.Endpoint) {
	for _, endpoint := range pool.Endpoints {
		if endpoint.State == fleet.EndpointReady && OnRoute(endpoint, route) &&
			!slices.Contains(down, ServerName{pool.Service, route.Target, endpoint.Instance}) {
			up = append(up, endpoint)
		}
	}
	return up
}
