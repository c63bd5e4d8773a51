package broker_test

import (
	"fmt"
	"testing"
)

// Who subscribes to a fleet gets all that is kept of it, however slow it is.
func TestAllThatIsKeptComes(t *testing.T) {
	const messages = 5_000
	h := open(t)
	for i := range messages {
		h.publish(t, topicOf("web1", fmt.Sprintf("pools/shop/s%d", i)), "pool", true)
	}
	a := join(t, h.addr, agent("web1"))
	r := join(t, h.addr, reader("laptop"))
	for _, p := range []*peer{a, r} {
		p.subscribe(topicOf("web1", "pools/+/+"))
		for i := range messages {
			if _, payload := p.hear(); payload != "pool" {
				t.Fatalf("message %d is %q", i, payload)
			}
		}
	}
	if got := h.Stats().Dropped; got != 0 {
		t.Errorf("%d were dropped", got)
	}
}
