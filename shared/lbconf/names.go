package lbconf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// StructureVar is the HAProxy process variable that holds Structure.
const StructureVar = "proc.muster_structure"

// BackendName names the backend of one route: "b:project:service:target".
// Neither part of a service's key can hold a colon, so names never collide.
func BackendName(key fleet.ServiceKey, target int) string {
	return fmt.Sprintf("b:%s:%s:%d", key.Project, key.Name, target)
}

// FrontendName names the listener of a service on one port: "f:project:service:port".
func FrontendName(key fleet.ServiceKey, listen int) string {
	return fmt.Sprintf("f:%s:%s:%d", key.Project, key.Name, listen)
}

// ParseName reads a name made by BackendName ('b') or FrontendName ('f'), and
// nothing that only looks like one: two names are never the same section.
func ParseName(name string) (kind byte, key fleet.ServiceKey, port int, ok bool) {
	parts := strings.Split(name, ":")
	if len(parts) != 4 || parts[0] != "b" && parts[0] != "f" {
		return 0, fleet.ServiceKey{}, 0, false
	}
	port, err := strconv.Atoi(parts[3])
	if err != nil || strconv.Itoa(port) != parts[3] {
		return 0, fleet.ServiceKey{}, 0, false
	}
	return parts[0][0], fleet.ServiceKey{Project: parts[1], Name: parts[2]}, port, true
}

// ListenerName names the listener on a port that services share by host names and
// paths: "l:port".
func ListenerName(port int) string { return "l:" + strconv.Itoa(port) }

// ParseListener reads a name made by ListenerName.
func ParseListener(name string) (port int, ok bool) {
	text, found := strings.CutPrefix(name, "l:")
	port, err := strconv.Atoi(text)
	return port, found && err == nil && ListenerName(port) == name
}

// cookieName names the cookie by which the clients of a route stay where they are.
// It is the route's own: services that share a host name share its cookies.
func cookieName(key fleet.ServiceKey, target int) string {
	return "muster_" + sum([]byte(BackendName(key, target)))[:12]
}

// GenerationVar is the HAProxy process variable that holds the generation of
// a service's pool. Bytes that a variable's name can't have are written as
// "_" and two hexadecimal digits.
func GenerationVar(key fleet.ServiceKey) string {
	var name strings.Builder
	name.WriteString("proc.muster_gen_")
	for _, c := range []byte(key.String()) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			name.WriteByte(c)
			continue
		}
		fmt.Fprintf(&name, "_%02x", c)
	}
	return name.String()
}
