package client

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

// Maintenance says how a host is maintained.
type Maintenance struct {
	For    fleet.Duration `json:"for,omitempty"` // 0: until it is activated
	Reason string         `json:"reason,omitempty"`
	Drain  bool           `json:"drain,omitempty"` // move its instances away, too
}

// MaintainHost has nothing placed on a host, and nothing follow from its silence.
func (c *Client) MaintainHost(ctx context.Context, id string, m Maintenance, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, "/v1/hosts/"+step(id)+"/maintenance", w, m)
}

// Rebalance says what is rebalanced: a service, a project, or without either all.
type Rebalance struct {
	Project string           `json:"project,omitempty"`
	Service fleet.ServiceKey `json:"service,omitzero"`
	DryRun  bool             `json:"dryRun,omitempty"`
	// Plan is the sum of the plan that was agreed to: another is refused.
	Plan string `json:"plan,omitempty"`
}

// Rebalance moves instances to hosts that suit them better. The result has the plan.
func (c *Client) Rebalance(ctx context.Context, r Rebalance, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, "/v1/rebalance", w, r)
}

// ExplainInstance says why an instance is where it is.
func (c *Client) ExplainInstance(ctx context.Context, id string) (fleet.Explanation, error) {
	return get[fleet.Explanation](ctx, c, "/v1/instances/"+step(id)+"/explain", nil)
}

// ExplainService says where one more instance of a service would go, or the one of a
// slot; 0: any.
func (c *Client) ExplainService(ctx context.Context, key fleet.ServiceKey, slot int) (fleet.Explanation, error) {
	return get[fleet.Explanation](ctx, c, servicePath(key)+"/explain", params("slot", number(slot)))
}
