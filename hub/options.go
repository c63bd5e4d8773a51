package hub

import (
	"errors"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/musterhq/muster/hub/turn"
	"github.com/musterhq/muster/shared/debug"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/reach"
)

// Options of a hub.
type Options struct {
	StateDir string // the store's folder; made if it is missing
	MQTT     string // where agents connect, host:port
	HTTP     string // where people and programs connect, host:port
	// InsecureListen allows addresses that aren't loopback, although nobody
	// who connects has to prove who they are.
	InsecureListen bool
	// MasterKey is the file of the key with which secrets are sealed in the store;
	// empty: master.key in StateDir.
	MasterKey string
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
		MQTT:       "127.0.0.1:1883",
		HTTP:       "127.0.0.1:8080",
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
	if o.MasterKey != "" && !filepath.IsAbs(o.MasterKey) {
		errs = append(errs, fleet.Invalid("master-key", "%q is not an absolute path", o.MasterKey))
	}
	if o.EventsKept < 1000 {
		errs = append(errs, fleet.Invalid("events-kept", "%d is less than 1000", o.EventsKept))
	}
	errs = append(errs, o.validateListen("mqtt", o.MQTT), o.validateListen("http", o.HTTP), o.Debug.Validate())
	return errors.Join(errs...)
}

func (o Options) validateListen(name, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fleet.Invalid(name, "%q is not host:port", address)
	}
	if o.InsecureListen || reach.Loopback(host) {
		return nil
	}
	return fleet.Invalid(name, "%s isn't loopback, and nobody who connects has to prove who they are", address).
		WithHint("listen on 127.0.0.1, or on a network that you trust wholly with --insecure-listen-without-authentication")
}
