package hub

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/musterhq/muster/hub/internal/identity"
	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
)

// DefaultSocket is where the command line looks for a hub on its own machine.
const DefaultSocket = "/run/muster/hub.sock"

// Options of a hub.
type Options struct {
	StateDir string // the store's folder; made if it is missing
	// MQTTS and HTTPS are where agents, people and programs connect, host:port, and
	// prove who they are. Empty: nowhere.
	MQTTS, HTTPS string
	// MQTT and HTTP are the same without TLS, for loopback. Empty: nowhere.
	MQTT, HTTP string
	// InsecureListen allows those elsewhere, too, and nobody who connects there has
	// to prove who they are.
	InsecureListen bool
	// Socket is where people and programs on this machine connect, who are known by
	// their user; empty: nowhere. SocketWanted: without it the hub doesn't start.
	Socket       string
	SocketWanted bool
	Session      time.Duration // how long a login lasts
	// Names and addresses that the hub is reached at, for its certificate; the first
	// is the one that new hosts are told. Empty: the machine's own.
	Names []string
	// TLSCert and TLSKey are files with a certificate of the operator's. Empty: the
	// hub makes its own.
	TLSCert, TLSKey string
	// MasterKey is the file of the key that seals what is secret in the store.
	// Empty: master.key in StateDir.
	MasterKey string
	HostLife  time.Duration // of a host's certificate
	// RequireStore refuses to start where there is no store yet.
	RequireStore bool
	EventsKept   int // events that the store keeps
	Turn         turn.Options
	// Debug is where metrics and profiles are; nowhere unless asked for.
	Debug debug.Options
	// FailPoint is for tests: "after-commit:3" kills the process at the third
	// time that it gets to that point.
	FailPoint string
	Logger    *slog.Logger
	// Config, LogLevel and LogFormat are the program's own settings. The hub
	// only shows them.
	Config, LogLevel, LogFormat string
}

// DefaultOptions are those of a hub on its own machine.
func DefaultOptions() Options {
	return Options{
		StateDir:   "/var/lib/muster-hub",
		MQTTS:      ":8883",
		HTTPS:      ":8443",
		HostLife:   identity.HostLife,
		Socket:     DefaultSocket,
		Session:    12 * time.Hour,
		EventsKept: 100_000,
		Turn:       turn.DefaultOptions(),
		Logger:     slog.Default(),
	}
}

// Validate says everything that is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	if !filepath.IsAbs(o.StateDir) {
		errs = append(errs, fleet.Invalid("state-dir", "%q is not an absolute path", o.StateDir))
	}
	if o.Socket != "" && !filepath.IsAbs(o.Socket) {
		errs = append(errs, fleet.Invalid("socket", "%q is not an absolute path", o.Socket))
	}
	if o.Session < time.Minute || o.Session > 30*24*time.Hour {
		errs = append(errs, fleet.Invalid("session", "%s is not between 1m and 720h", o.Session))
	}
	if o.EventsKept < 1000 {
		errs = append(errs, fleet.Invalid("events-kept", "%d is less than 1000", o.EventsKept))
	}
	if o.MQTTS == "" && o.MQTT == "" {
		errs = append(errs, fleet.Invalid("mqtts", "no address is given where agents connect"))
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		errs = append(errs, fleet.Invalid("tls-cert", "a certificate and its key belong together").WithHint("give both --tls-cert and --tls-key, or neither"))
	}
	if o.MasterKey != "" && !filepath.IsAbs(o.MasterKey) {
		errs = append(errs, fleet.Invalid("master-key", "%q is not an absolute path", o.MasterKey))
	}
	if o.HostLife < 10*time.Second {
		errs = append(errs, fleet.Invalid("host-cert-life", "%s is less than 10s", o.HostLife))
	}
	errs = append(errs, validateAddress("mqtts", o.MQTTS), validateAddress("https", o.HTTPS),
		o.validatePlain("mqtt", o.MQTT), o.validatePlain("http", o.HTTP), o.Debug.Validate())
	return errors.Join(errs...)
}

func validateAddress(name, address string) error {
	if address == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fleet.Invalid(name, "%q is not host:port", address)
	}
	return nil
}

func (o Options) validatePlain(name, address string) error {
	if err := validateAddress(name, address); err != nil || address == "" {
		return err
	}
	host, _, _ := net.SplitHostPort(address) // it was split before
	if o.InsecureListen || reach.Loopback(host) {
		return nil
	}
	return fleet.Invalid(name, "%s isn't loopback, and what is sent there can be read by others", address).
		WithHint("use --%ss, or on a network that you trust wholly --insecure-listen-without-authentication", name)
}

func (o Options) masterKey() string {
	return cmp.Or(o.MasterKey, filepath.Join(o.StateDir, "master.key"))
}

// names are those that the hub is reached at, the one that others are told first.
func (o Options) names() []string {
	names := slices.Clone(o.Names)
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	addresses, _ := net.InterfaceAddrs() // without them there are the others
	var late []string
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		switch {
		case !ok || network.IP.IsLinkLocalUnicast():
		case network.IP.IsLoopback() || network.IP.To4() == nil:
			late = append(late, network.IP.String())
		default:
			add(network.IP.String())
		}
	}
	hostname, _ := os.Hostname()
	add(hostname)
	for _, name := range append(late, "localhost") {
		add(name)
	}
	return names
}
