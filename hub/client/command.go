package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// commandTimeout is longer than any command takes.
const commandTimeout = 12 * time.Minute

// Command is an order in words about a host or a service.
type Command struct {
	Target string          `json:"target"`          // "web1", "host:web1", "shop/rank", "rank"
	Text   string          `json:"text,omitempty"`  // "restart shop/rank"
	Order  json.RawMessage `json:"order,omitempty"` // or the same as an object
}

// Command gives a command, and returns what became of it. One that was refused is
// a result, too.
func (c *Client) Command(ctx context.Context, command Command) (fleet.CommandResult, error) {
	options := c.options
	options.Timeout = commandTimeout
	patient, err := New(options)
	if err != nil {
		return fleet.CommandResult{}, err
	}
	defer patient.Close()
	var out fleet.CommandResult
	err = patient.call(ctx, http.MethodPost, "/v1/command", nil, nil, command, &out)
	return out, err
}

// Stop lets all of a service's instances leave until it is started.
func (c *Client) Stop(ctx context.Context, key fleet.ServiceKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/stop", w, nil)
}

// Start starts a service that was stopped.
func (c *Client) Start(ctx context.Context, key fleet.ServiceKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/start", w, nil)
}
