package broker

import "time"

// packetCost is the number of bytes that count as one packet more.
const packetCost = 16 << 10

// bucket is a token bucket: it fills at rate tokens a second up to burst.
type bucket struct {
	rate, burst float64
	tokens      float64
	last        time.Time
}

func newBucket(rate float64, burst int) bucket {
	return bucket{rate: rate, burst: float64(burst), tokens: float64(burst)}
}

// take spends what a packet of size bytes costs and returns how long its
// sender has to wait.
func (b *bucket) take(now time.Time, size int) time.Duration {
	if !b.last.IsZero() {
		b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
	b.tokens -= 1 + float64(size/packetCost)
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}
