package link

import (
	"math/rand/v2"
	"time"
)

// pause returns how long to wait before the next attempt to connect, after
// so many sessions without an Echo. Its randomness spreads the hosts of a
// fleet that lost its hub.
func (o Options) pause(failures int) time.Duration {
	upper := o.ReconnectFirst
	for ; failures > 1 && upper < o.ReconnectMax; failures-- {
		upper *= 2
	}
	upper = min(upper, o.ReconnectMax)
	return o.ReconnectMin + time.Duration(rand.Int64N(int64(upper-o.ReconnectMin)+1))
}
