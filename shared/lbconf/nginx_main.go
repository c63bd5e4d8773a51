package lbconf

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// NginxVersion is major, minor and patch.
type NginxVersion [3]int

// Versions from which nginx can what is named.
var (
	NginxOldest = NginxVersion{1, 18, 0}
	// NginxKeepsClients is the first that closes no idle client at a reload.
	NginxKeepsClients = NginxVersion{1, 27, 4}
	// nginxHTTP2Apart is the first with HTTP/2 beside HTTP/1.1 on one listener.
	nginxHTTP2Apart = NginxVersion{1, 25, 1}
)

// ParseNginxVersion reads "1.22.1" out of what nginx -v says of itself.
func ParseNginxVersion(text string) (NginxVersion, bool) {
	var v NginxVersion
	_, after, found := strings.Cut(text, "nginx/")
	if !found {
		return v, false
	}
	word, _, _ := strings.Cut(after, "\n")
	word, _, _ = strings.Cut(word, " ")
	parts := strings.Split(word, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return NginxVersion{}, false
		}
		v[i] = n
	}
	return v, true
}

// AtLeast compares versions.
func (v NginxVersion) AtLeast(other NginxVersion) bool {
	for i := range v {
		if c := cmp.Compare(v[i], other[i]); c != 0 {
			return c > 0
		}
	}
	return true
}

// String is like "1.22.1".
func (v NginxVersion) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// nginxBody is all that nginx reads.
func nginxBody(input NginxInput, structure string) []byte {
	listeners, err := Listeners(input.Pools)
	if err != nil {
		return nil // Nginx refused it
	}
	web, tcp := apart(listeners)
	var out bytes.Buffer
	writeNginxMain(&out, input, len(tcp) > 0)
	writeNginxHTTP(&out, input, web, structure)
	if len(tcp) > 0 {
		writeNginxStream(&out, input, tcp)
	}
	return out.Bytes()
}

// apart tells listeners of http and grpc from those of tcp.
func apart(listeners []Listener) (web, tcp []Listener) {
	for _, l := range listeners {
		if l.Matches[0].Route.Protocol == fleet.ProtocolTCP {
			tcp = append(tcp, l)
		} else {
			web = append(web, l)
		}
	}
	return web, tcp
}

func writeNginxMain(out *bytes.Buffer, input NginxInput, tcp bool) {
	global := input.Global
	fmt.Fprintf(out, "\n# muster balancer %s\n", global.Name)
	if global.User != "" {
		fmt.Fprintf(out, "user %s;\n", global.User)
	}
	if global.Stream != "" && tcp {
		fmt.Fprintf(out, "load_module %s;\n", global.Stream)
	}
	connections := global.MaxConn
	if connections == 0 {
		connections = DefaultWorkerConnections
	}
	fmt.Fprintf(out, "worker_processes auto;\n")
	fmt.Fprintf(out, "worker_rlimit_nofile %d;\n", connections+1024)
	fmt.Fprintf(out, "worker_shutdown_timeout %s;\n", nginxTime(nginxHardStop(input)))
	fmt.Fprintf(out, "daemon on;\n")
	fmt.Fprintf(out, "pid %s/%s;\n", global.Dir, NginxPIDFile)
	fmt.Fprintf(out, "error_log %s/%s crit;\n", global.Dir, NginxErrorLog)
	fmt.Fprintf(out, "events {\n    worker_connections %d;\n}\n", connections)
}

// nginxHardStop bounds the life of an old worker.
func nginxHardStop(input NginxInput) time.Duration {
	hardStop := input.Global.HardStop
	for _, pool := range input.Pools {
		if !pool.Removed {
			hardStop = max(hardStop, pool.DrainTimeout.Or(fleet.DefaultDrainTimeout))
		}
	}
	return hardStop
}

// nginxListen are the addresses of a port, as nginx reads them.
func nginxListen(global NginxGlobal, port int) []string {
	if len(global.Bind) == 0 {
		return []string{fmt.Sprintf("0.0.0.0:%d", port)}
	}
	var all []string
	for _, address := range global.Bind {
		all = append(all, nginxAddress(address, port))
	}
	return all
}

func nginxAddress(address netip.Addr, port int) string {
	return netip.AddrPortFrom(address.Unmap(), uint16(port)).String()
}

// nginxServer is where an endpoint serves a target, as nginx reads it.
func nginxServer(endpoint fleet.Endpoint, target int) string {
	address, err := netip.ParseAddr(endpoint.Address)
	if err != nil {
		return ""
	}
	return nginxAddress(address, endpoint.Ports[target])
}

// NginxUpstream names a route's servers, in a word that no other route has:
// nginx doesn't tell upper from lower case.
func NginxUpstream(key fleet.ServiceKey, target int) string {
	return fmt.Sprintf("%s.%s.%d", nginxWord(key.Project), nginxWord(key.Name), target)
}

// nginxWord writes all but lower-case letters, digits and '-' as "_" and two
// hexadecimal digits.
func nginxWord(text string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, "_%02x", c)
	}
	return out.String()
}

// nginxTime writes a time as nginx reads it.
func nginxTime(d time.Duration) string { return millis(d) }
