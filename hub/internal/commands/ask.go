package commands

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// answers are those of agents that somebody waits for.
type answers struct {
	mu      sync.Mutex                   // guards waiting
	waiting map[string]chan fleet.Answer // by host and question; each gets one at most
}

// Answered takes an agent's answer. It never waits.
func (d *Dispatcher) Answered(host string, answer fleet.Answer) {
	d.answers.mu.Lock()
	defer d.answers.mu.Unlock()
	if waits := d.answers.waiting[host+"/"+answer.ID]; waits != nil {
		delete(d.answers.waiting, host+"/"+answer.ID)
		waits <- answer
	}
}

// ask puts a question to a host's agent and waits for the answer.
func (d *Dispatcher) ask(ctx context.Context, host string, ask fleet.Ask, within time.Duration) (fleet.Answer, error) {
	ask.ID, ask.TTL = rand.Text(), fleet.Duration(within)
	waits := make(chan fleet.Answer, 1)
	key := host + "/" + ask.ID
	d.answers.mu.Lock()
	d.answers.waiting[key] = waits
	d.answers.mu.Unlock()
	defer func() {
		d.answers.mu.Lock()
		delete(d.answers.waiting, key)
		d.answers.mu.Unlock()
	}()
	if err := d.options.Agents.Ask(host, ask); err != nil {
		return fleet.Answer{}, unavailable("%s can't be asked: %v", host, err)
	}
	patience := time.NewTimer(within)
	defer patience.Stop()
	select {
	case answer := <-waits:
		return answer, nil
	case <-patience.C:
		return fleet.Answer{}, unavailable("%s hasn't answered within %s", host, within).WithHint("muster host %s shows whether it is up", host)
	case <-ctx.Done():
		return fleet.Answer{}, unavailable("nobody waits for the answer of %s any more: the hub stops, or who asked is gone", host)
	}
}

func unavailable(format string, args ...any) *fleet.Error {
	return &fleet.Error{Code: fleet.CodeUnavailable, Message: fmt.Sprintf(format, args...)}
}

// askable says why a host can't be asked now; nil: it can.
func askable(h fleet.HostView, feature string) error {
	switch {
	case h.Status.State != fleet.HostUp:
		return unavailable("%s: nobody there can answer", isOff(h)).WithHint("muster host %s says more", h.ID)
	case feature != "" && !slices.Contains(h.Facts.Features, feature):
		return fleet.Conflict("", "the agent on %s is too old for that", h.ID).WithHint("upgrade it: it is %s", h.Facts.AgentVersion)
	}
	return nil
}
