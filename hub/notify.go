package hub

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd, where there is one, that the hub is ready, and feeds
// its watchdog as long as the hub is sound.
func notify(ctx context.Context, sound func() error) error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return nil // a service manager that can't be told isn't a fault of the hub's
	}
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(every / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
			return nil
		case <-ticker.C:
			if sound() == nil {
				_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
			}
		}
	}
}
