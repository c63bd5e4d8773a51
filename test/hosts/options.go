package hosts

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
)

// maxHosts is bounded by the addresses from firstHostAddress to 254.
const maxHosts = 200

// hostName is short enough for the name of a namespace and of a cgroup.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Options describe a fleet.
type Options struct {
	// Names of the hosts, in the order of their addresses.
	Names []string
	// Dir is where the fleet puts its own directory with the engines' data;
	// empty means /var/tmp. Close removes the fleet's directory, not Dir.
	Dir string
	// Engine is the socket where LocalEngine looks for an engine; empty means
	// where the machine's own one listens.
	Engine string
	// Logger hears what the fleet does; nil means silence.
	Logger *slog.Logger
}

// Numbered returns the names prefix1 to prefixN.
func Numbered(prefix string, n int) []string {
	names := make([]string, 0, n)
	for i := 1; i <= n; i++ {
		names = append(names, fmt.Sprintf("%s%d", prefix, i))
	}
	return names
}

// Validate does no IO.
func (o Options) Validate() error {
	if len(o.Names) == 0 {
		return errors.New("a fleet needs at least one host name")
	}
	if len(o.Names) > maxHosts {
		return fmt.Errorf("%d hosts asked for, at most %d fit", len(o.Names), maxHosts)
	}
	seen := make(map[string]bool, len(o.Names))
	for _, name := range o.Names {
		if !hostName.MatchString(name) {
			return fmt.Errorf("host name %q: use at most 40 of a-z, 0-9 and -", name)
		}
		if seen[name] {
			return fmt.Errorf("host name %q appears twice", name)
		}
		seen[name] = true
	}
	return nil
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}
