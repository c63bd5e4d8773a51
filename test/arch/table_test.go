package arch

// module is the prefix of every import path of the project.
const module = "github.com/musterhq/muster/"

// pureRooms decide and never touch the world. Each may import, besides the
// standard library and shared/*, the pure rooms named beside it.
var pureRooms = map[string][]string{
	"shared/lbconf":  nil,
	"hub/placement":  nil,
	"hub/policy":     nil,
	"hub/orders":     nil,
	"hub/rollout":    nil,
	"hub/balance":    nil,
	"hub/export":     nil,
	"hub/turn":       {"hub/placement", "hub/rollout", "hub/balance"},
	"agent/sequence": nil,
	"agent/brain":    {"agent/sequence"},
}

// vendors have one importer each (a folder and what is below it), which
// translates to the fleet's nouns.
var vendors = map[string][]string{
	"github.com/mochi-mqtt/server":       {"hub/internal/broker"},
	"go.etcd.io/bbolt":                   {"hub/internal/store"},
	"github.com/danielgtaylor/huma":      {"hub/internal/api"},
	"github.com/compose-spec/compose-go": {"hub/compose", "hub/cmd/muster"},
	"github.com/docker/docker":           {"agent/internal/engine"},
	"github.com/docker/go-connections":   {"agent/internal/engine"},
	"github.com/eclipse/paho.mqtt":       {"agent/internal/link"},
	"github.com/shirou/gopsutil":         {"agent/internal/readings"},
}

// bothSides may import hub and agent: only where whole fleets are put together.
var bothSides = []string{"hub/simtest", "test", "bench"}

// testLibraries may be imported by any test, those of pure rooms and of shared
// included.
var testLibraries = []string{
	"pgregory.net/rapid", "github.com/google/go-cmp", "go.uber.org/goleak",
	"github.com/cockroachdb/datadriven",
}

// worldly packages of the standard library have no place in a pure room. "net"
// isn't among them, for the sake of net.JoinHostPort: see calls.
var worldly = []string{
	"os", "io/ioutil", "net/http", "net/rpc", "net/smtp", "syscall", "math/rand", "crypto/rand",
	"database/sql", "log", "plugin", "runtime", "sync", "unsafe",
}

// calls that a pure room doesn't make, by package: the clock, and the network.
var calls = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"net": {
		"Dial", "DialTimeout", "Listen", "ListenPacket", "Interfaces", "InterfaceAddrs", "InterfaceByName",
		"LookupHost", "LookupIP", "LookupAddr", "LookupPort", "ResolveTCPAddr", "ResolveUDPAddr", "ResolveIPAddr",
		"DialTCP", "DialUDP", "DialUnix", "ListenTCP", "ListenUDP", "ListenUnix", "Pipe",
	},
}
