package board

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

func init() {
	// The client's own log has a format of its own; every error that it tells
	// is returned to the caller as well.
	redis.SetLogger(quiet{})
}

// connLifetime is when a connection is replaced, between two commands. A load
// balancer that was configured anew cuts those that were open before after a
// while, in the middle of a command perhaps; Muster's after 30 s, or the longest
// drain that any service asks for.
const connLifetime = 20 * time.Second

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// options bound every wait for the store, so that a request fails quickly while
// the store is away. Repeating a command is safe: all of the board's are
// idempotent.
func options(addr string) *redis.Options {
	return &redis.Options{
		Addr:                  addr,
		DialTimeout:           time.Second,
		ReadTimeout:           time.Second,
		WriteTimeout:          time.Second,
		PoolTimeout:           time.Second,
		ContextTimeoutEnabled: true,
		MaxRetries:            2,
		DialerRetries:         1,
		PoolSize:              20,
		ConnMaxLifetime:       connLifetime,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}
