package agent

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervised returns what tells systemd that the agent is there and alive,
// and how often it wants to hear it (0: it doesn't). Without systemd it does
// nothing.
func supervised(logger *slog.Logger) (alive func(), every time.Duration) {
	timeout, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("systemd's watchdog can't be served", "error", err)
	}
	ready := false
	return func() {
		if !ready {
			ready = true
			notify(logger, daemon.SdNotifyReady)
		}
		if timeout > 0 {
			notify(logger, daemon.SdNotifyWatchdog)
		}
	}, timeout / 3
}

func notify(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd not told", "state", state, "error", err)
	}
}

// notifyStopping tells systemd that the end takes a moment.
func notifyStopping() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) }
