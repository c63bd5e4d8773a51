package agent

import (
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
)

// Options of an agent. Start from DefaultOptions.
type Options struct {
	// Host is this host's id; it never changes. Empty: the one that it has joined
	// with, else the machine's name.
	Host string
	// MachineID tells the hub that the host is the same machine; empty:
	// /etc/machine-id. BootID changes with each boot; empty: the kernel's.
	MachineID string
	BootID    string
	// Hub is the hub's broker, "mqtts://<host>:<port>", or "tcp://…" without TLS.
	// HubHTTP is its HTTP address, which takes streams of logs. Empty: those of the
	// hub that this host has joined.
	Hub     string
	HubHTTP string
	// InsecurePlaintextHub allows a hub that isn't on this machine, though
	// nothing between is encrypted.
	InsecurePlaintextHub bool
	// AdoptLineage makes the agent follow another hub than it did.
	AdoptLineage string
	// Advertise is the IP address that others reach this host's instances at;
	// empty: the one that this machine reaches the hub from.
	Advertise string
	// Engine is the address of the container engine; empty: DOCKER_HOST, else
	// its default socket.
	Engine   string
	StateDir string
	// SecretsDir is where secrets' files are, in memory: on a tmpfs, or where the agent
	// may mount one.
	SecretsDir string
	Labels     map[string]string
	// Resources are how many the machine has of what only placement counts, by kind.
	Resources map[string]int
	// PortFirst and PortLast are the range of host ports that instances get.
	PortFirst, PortLast int
	// CertificatesDir is where the operator keeps the certificates that balancers on this
	// host show: NAME.pem, or NAME/fullchain.pem and NAME/privkey.pem.
	CertificatesDir string
	// HAProxy and Nginx are balancers on this host; nil: there is no such one.
	HAProxy, Nginx *BalancerOptions

	// Debug is where metrics and profiles are; nowhere unless asked for.
	Debug debug.Options

	Limits brain.Limits
	Timing Timing
	Logger *slog.Logger
	// Left is called when the host has left the fleet: it drops what let it in. Nil:
	// nothing did. It may be called again after a sudden end.
	Left func() error
	// FailPoint ends the process where it names, like "after-save:kill". It is
	// for tests of what an agent finds after its sudden death.
	FailPoint string
}

// Timing holds the agent's times. Brain has those that decisions are made by.
type Timing struct {
	Brain          brain.Timing
	Resync         time.Duration // between listings of containers that nothing asked for
	KeepAlive      time.Duration // of the link, whole seconds
	Watchdog       time.Duration // the link is renewed when the hub is silent for so long
	ReconnectFirst time.Duration // longest pause before the first new attempt to connect
	ReconnectMax   time.Duration // longest pause before any
	Farewell       time.Duration // for the last message when the agent stops
}

// DefaultOptions returns the options of an ordinary host.
func DefaultOptions() Options {
	return Options{
		StateDir:        "/var/lib/muster-agent",
		SecretsDir:      "/run/muster-agent/secrets",
		CertificatesDir: balancer.CertificatesDir,
		PortFirst:       20000,
		PortLast:        29999,
		Limits:          limits(runtime.NumCPU()),
		Timing: Timing{
			Brain:          brain.DefaultTiming(),
			Resync:         10 * time.Second,
			KeepAlive:      6 * time.Second,
			Watchdog:       9 * time.Second,
			ReconnectFirst: 500 * time.Millisecond,
			ReconnectMax:   10 * time.Second,
			Farewell:       5 * time.Second,
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

// limits are those of a machine with so many cores. To start a container keeps
// an engine's processor busy: more than two a core at once take no less time,
// and each waits longer.
func limits(cores int) brain.Limits {
	l := brain.DefaultLimits()
	l.Others = min(max(2*cores, 2), 16)
	return l
}

var notInHostID = regexp.MustCompile(`[^a-z0-9-]+`)

// HostID makes a host id of a machine's name: its first label, in lower case.
func HostID(hostname string) string {
	short, _, _ := strings.Cut(strings.ToLower(hostname), ".")
	id := notInHostID.ReplaceAllString(short, "-")
	return strings.Trim(id[:min(len(id), 63)], "-")
}

// configsDir is where configs' files are. They aren't secret, and outlast a reboot.
func (o *Options) configsDir() string { return filepath.Join(o.StateDir, "configs") }

// Validate refuses options that can't work. It does no IO.
func (o *Options) Validate() error {
	if o.Host != "" {
		if err := fleet.ValidateHost(o.Host); err != nil {
			return err
		}
	}
	if err := o.validateHub(); err != nil {
		return err
	}
	if !filepath.IsAbs(o.StateDir) {
		return fleet.Invalid("state-dir", "%q is not an absolute path", o.StateDir)
	}
	if !filepath.IsAbs(o.SecretsDir) || filepath.Clean(o.SecretsDir) != o.SecretsDir || o.SecretsDir == "/" {
		return fleet.Invalid("secrets-dir", "%q is not an absolute path to a folder of its own", o.SecretsDir)
	}
	if !filepath.IsAbs(o.CertificatesDir) {
		return fleet.Invalid("certificates-dir", "%q is not an absolute path", o.CertificatesDir)
	}
	if o.PortFirst < 1024 || o.PortLast > 65535 || o.PortFirst > o.PortLast {
		return fleet.Invalid("port-range", "%d-%d is not a range within 1024-65535", o.PortFirst, o.PortLast)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Labels)) {
		if name == "" || name == fleet.LabelHostname {
			return fleet.Invalid("label", "%q can't be the name of a label", name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(o.Resources)) {
		if err := fleet.ValidateResource(kind, o.Resources[kind]); err != nil {
			return fleet.Invalid("resource", "%s=%d: %v", kind, o.Resources[kind], err)
		}
	}
	if err := validateReachable("advertise", o.Advertise); err != nil {
		return err
	}
	if err := o.validateBalancers(); err != nil {
		return err
	}
	if err := o.Debug.Validate(); err != nil {
		return err
	}
	if _, err := parseFailPoint(o.FailPoint); err != nil {
		return err
	}
	if l := o.Limits; l.PruneAbove < 0 || l.PruneAbove > 100 || l.PruneAbove > 0 && (l.PruneTo < 1 || l.PruneTo > l.PruneAbove) {
		return fleet.Invalid("prune-above", "%d and prune-to %d are not percentages of which the second is the lower one", l.PruneAbove, l.PruneTo).
			WithHint("85 and 80 are usual; 0 and any other: images never go by themselves")
	}
	t := o.Timing
	if t.Brain.Heartbeat <= 0 || t.Watchdog < 2*t.Brain.Heartbeat {
		return fleet.Invalid("watchdog", "%v is too short for a heartbeat of %v", t.Watchdog, t.Brain.Heartbeat).
			WithHint("three heartbeats are usual")
	}
	if o.Logger == nil {
		return errors.New("agent options: Logger is missing")
	}
	return nil
}

func (o *Options) validateHub() error {
	if o.HubHTTP != "" {
		http, err := url.Parse(o.HubHTTP)
		if err != nil || http.Scheme != "http" && http.Scheme != "https" || http.Host == "" {
			return fleet.Invalid("hub-http", "%q is not the HTTP address of a hub", o.HubHTTP).WithHint("use https://<host>:8443")
		}
	}
	if o.Hub == "" {
		return nil
	}
	hub, err := url.Parse(o.Hub)
	if err != nil || hub.Scheme != "tcp" && hub.Scheme != "mqtts" || hub.Hostname() == "" || hub.Port() == "" {
		return fleet.Invalid("hub", "%q is not the address of a hub's broker", o.Hub).WithHint("use mqtts://<host>:8883")
	}
	if hub.Scheme == "tcp" && !reach.Loopback(hub.Hostname()) && !o.InsecurePlaintextHub {
		return fleet.Invalid("hub", "%s is not on this machine, and the connection to it is not encrypted", hub.Host).
			WithHint("let this host join the hub (muster token create), or allow it with --insecure-plaintext-hub where the network is trusted")
	}
	return nil
}

// validateReachable refuses what balancers and containers can't be given as
// somebody's address. None at all is fine.
func validateReachable(option, address string) error {
	if address == "" {
		return nil
	}
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return fleet.Invalid(option, "%q is not an IP address", address).
			WithHint("give the address itself, like 192.0.2.10 or 2001:db8::10, not a name and no port")
	case ip.Zone() != "" || ip.IsUnspecified():
		return fleet.Invalid(option, "%q is not an address that other hosts can reach", address).
			WithHint("give one that other hosts reach this one at, without a zone")
	}
	return nil
}
