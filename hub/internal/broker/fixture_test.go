package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/hub/internal/broker"
)

// patience is how long a test waits for what must happen. It only runs out
// when something is broken.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is one message that reached the hub.
type said struct{ host, leaf, rest, payload string }

// hub is a Handler that remembers. A host belongs to the first machine that
// asks for it.
type hub struct {
	known    string // the presence that says nothing new, if any
	again    int    // times that it was heard
	answered int    // of those, times that it was answered already
	stuck    bool
	mu       sync.Mutex
	machines map[string]string
	messages []said
	refusals []string
	slowed   []string
	cloned   []string
	orders   []broker.Order
}

func (h *hub) Admit(host, machine string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if owner, known := h.machines[host]; known && owner != machine {
		return errors.New("another machine has this host id")
	}
	h.machines[host] = machine
	return nil
}

func (h *hub) Message(host, leaf, rest string, payload []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, said{host, leaf, rest, string(payload)})
}

func (h *hub) Alive() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.stuck
}

func (h *hub) Again(_ string, presence []byte, answered bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.known != "" && h.known == string(presence)
	if known {
		h.again++
		if answered {
			h.answered++
		}
	}
	return known
}

func (h *hub) heardAgain() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.again
}

func (h *hub) Refused(host, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusals = append(h.refusals, host+": "+reason)
}

func (h *hub) Slowed(host string, _ float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slowed = append(h.slowed, host)
}

func (h *hub) Cloned(host, one, other string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cloned = append(h.cloned, host+" "+one+" "+other)
}

func (h *hub) Command(o broker.Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orders = append(h.orders, o)
}

func (h *hub) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.slowed)
}

func (h *hub) count(m said) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, got := range h.messages {
		if got == m {
			n++
		}
	}
	return n
}

func (h *hub) refused() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.refusals)
}

// house is a running broker with its hub.
type house struct {
	*broker.Broker
	hub  *hub
	addr string
	stop func() error // ends Run and waits for it; may be called again

	fails bool // Run is meant to return an error
}

func open(t *testing.T, change ...func(*broker.Options)) *house {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := broker.DefaultOptions()
	options.Doors = []broker.Door{{Listener: listener, Open: true}}
	options.Logger = slog.New(slog.DiscardHandler)
	for _, c := range change {
		c(&options)
	}
	h := &house{hub: &hub{machines: map[string]string{}}, addr: listener.Addr().String()}
	if h.Broker, err = broker.New(options, h.hub); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Run(ctx) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-result:
			return err
		case <-time.After(patience):
			return errors.New("the broker doesn't end")
		}
	})
	t.Cleanup(func() {
		if err := h.stop(); (err != nil) != h.fails {
			t.Errorf("Run returned the error %v", err)
		}
	})
	return h
}

func (h *house) publish(t *testing.T, topic, payload string, retain bool) {
	t.Helper()
	if err := h.Publish(topic, []byte(payload), retain); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until what is said holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
