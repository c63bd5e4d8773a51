package fleetloop

import (
	"bytes"
	"strings"
	"sync"

	"github.com/musterhq/muster/shared/fleet"
)

// Bounds of what is remembered, for hosts that come and go under ever new names.
// What is beyond is decoded each time.
const (
	maxBeats = 1 << 15  // hosts
	maxBeat  = 16 << 10 // bytes of a message: it names every pool of the host
)

// beats remembers the last sign of life of each host that is online. Those of a host at rest differ
// in their number alone, which says nothing to the hub: one that is known needs
// no decoding. A fleet of thousands sends thousands of them a second.
type beats struct {
	mu   sync.Mutex
	last map[string]beat // guarded by mu; by host
}

// beat is a message that was decoded, without its number.
type beat struct {
	head, tail string
	presence   fleet.Presence
}

// numberKey comes before the number in an envelope, and sumKey behind it.
var (
	numberKey = []byte(`"generation":`)
	sumKey    = []byte(`,"sum":"`)
	bodyKey   = []byte(`"body":`)
)

// parts are what comes before a message's number, and what comes behind it. The
// sum of the body is in tail: where that is the same, the body is.
func parts(payload []byte) (head, tail []byte, ok bool) {
	at := bytes.Index(payload, numberKey)
	if at < 0 {
		return nil, nil, false
	}
	head, tail = payload[:at], payload[at+len(numberKey):]
	digits := 0
	for digits < len(tail) && tail[digits] >= '0' && tail[digits] <= '9' {
		digits++
	}
	leadingZero := digits > 1 && tail[0] == '0'
	tail = tail[digits:]
	return head, tail, digits > 0 && digits < 20 && !leadingZero && bytes.HasPrefix(tail, sumKey) && !bytes.Contains(head, bodyKey)
}

// known returns what a message says if it says the same as the host's last one.
func (b *beats) known(host string, payload []byte) (fleet.Presence, bool) {
	head, tail, ok := parts(payload)
	if !ok {
		return fleet.Presence{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	last, ok := b.last[host]
	if !ok || last.head != string(head) || last.tail != string(tail) {
		return fleet.Presence{}, false
	}
	return last.presence, true
}

// remember keeps a message that was decoded, in the place of the host's last
// one. Nobody may change what it says. The last word of a session isn't kept.
func (b *beats) remember(host string, payload []byte, p fleet.Presence) {
	head, tail, ok := parts(payload)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok || p.State != fleet.PresenceOnline || len(payload) > maxBeat {
		delete(b.last, host)
		return
	}
	if _, had := b.last[host]; !had && len(b.last) >= maxBeats {
		return
	}
	if b.last == nil {
		b.last = map[string]beat{}
	}
	b.last[strings.Clone(host)] = beat{head: string(head), tail: string(tail), presence: p}
}
