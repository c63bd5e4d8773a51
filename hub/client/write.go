package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Apply asks for what a canonical Compose document says.
type Apply struct {
	Document string `json:"document"`
	DryRun   bool   `json:"dryRun,omitempty"` // plan, change nothing
	Prune    bool   `json:"prune,omitempty"`  // remove services that the document lacks
	// Secrets are values that the document names, by their names. They aren't kept with it.
	Secrets map[string][]byte `json:"secrets,omitempty"`
}

func (c *Client) change(ctx context.Context, method, path string, w Write, in any) (fleet.Result, error) {
	return c.changeWith(ctx, method, path, nil, w, in)
}

func (c *Client) changeWith(ctx context.Context, method, path string, query url.Values, w Write, in any) (fleet.Result, error) {
	var out fleet.Result
	err := c.call(ctx, method, path, query, w.header(), in, &out)
	return out, err
}

// Apply makes a project what the document says. The result has the plan.
func (c *Client) Apply(ctx context.Context, project string, a Apply, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, "/v1/projects/"+step(project)+"/apply", w, a)
}

// Remove removes a service.
func (c *Client) Remove(ctx context.Context, key fleet.ServiceKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodDelete, servicePath(key), w, nil)
}

// Scale sets how many instances a service has.
func (c *Client) Scale(ctx context.Context, key fleet.ServiceKey, count int, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/scale", w, map[string]int{"count": count})
}

// Restart replaces the instances of a service, a few at a time.
func (c *Client) Restart(ctx context.Context, key fleet.ServiceKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/restart", w, nil)
}

// Rollback goes back to an older version; 0: the one before the current one.
func (c *Client) Rollback(ctx context.Context, key fleet.ServiceKey, version int, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/rollback", w, map[string]int{"version": version})
}

// RolloutAction is what can be done to a rollout.
type RolloutAction string

// Actions on a rollout.
const (
	RolloutPromote RolloutAction = "promote" // on to the next step
	RolloutPause   RolloutAction = "pause"
	RolloutResume  RolloutAction = "resume"
	RolloutAbort   RolloutAction = "abort" // back to the version that it came from
	RolloutRetry   RolloutAction = "retry" // what failed, anew
)

// RolloutOrder says which rollout is meant.
type RolloutOrder struct {
	// Rollout is the id that the caller saw: the order is refused when it isn't the
	// last one any more. 0: whichever it is.
	Rollout uint64 `json:"rollout,omitempty"`
	Fully   bool   `json:"fully,omitempty"` // RolloutPromote: to the end
}

// RolloutDo does something to a service's rollout.
func (c *Client) RolloutDo(ctx context.Context, key fleet.ServiceKey, action RolloutAction, order RolloutOrder, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/rollout/"+string(action), w, order)
}

// Freeze leaves a service as it is until Unfreeze.
func (c *Client) Freeze(ctx context.Context, key fleet.ServiceKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/freeze", w, nil)
}

// Unfreeze ends a Freeze.
func (c *Client) Unfreeze(ctx context.Context, key fleet.ServiceKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, servicePath(key)+"/unfreeze", w, nil)
}

// HostAction is what can be done to a host.
type HostAction string

// Actions on a host.
const (
	HostDrain    HostAction = "drain"    // move its instances away
	HostActivate HostAction = "activate" // let it have instances again
	HostFreeze   HostAction = "freeze"   // leave it as it is
	HostUnfreeze HostAction = "unfreeze"
)

// HostDo does something to a host.
func (c *Client) HostDo(ctx context.Context, id string, action HostAction, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodPost, "/v1/hosts/"+step(id)+"/"+string(action), w, nil)
}

// FailHost declares a lost host dead. dataLost: what has its data there is
// placed elsewhere too, with empty volumes.
func (c *Client) FailHost(ctx context.Context, id string, dataLost bool, w Write) (fleet.Result, error) {
	query := url.Values{}
	if dataLost {
		query.Set("dataLost", "true")
	}
	return c.changeWith(ctx, http.MethodPost, "/v1/hosts/"+step(id)+"/fail", query, w, nil)
}

// pruneTimeout is longer than the hub waits for a host.
const pruneTimeout = 6 * time.Minute

// Pruned is what pruning a host came to.
type Pruned struct {
	Images  []fleet.PrunedImage `json:"images"`
	Bytes   int64               `json:"bytes"`             // that this frees at most: images share layers
	Problem string              `json:"problem,omitempty"` // why others stay that nothing needs
}

// Prune removes images from a host that no kept version of any service needs, or
// says in a dry run which they are. It may take minutes.
func (c *Client) Prune(ctx context.Context, host string, dryRun bool) (Pruned, error) {
	longer := c.options
	longer.Timeout = pruneTimeout
	patient, err := New(longer)
	if err != nil {
		return Pruned{}, err
	}
	defer patient.Close()
	var out Pruned
	err = patient.call(ctx, http.MethodPost, "/v1/hosts/"+step(host)+"/prune", nil, nil, map[string]bool{"dryRun": dryRun}, &out)
	return out, err
}

// ForgetBalancer takes a balancer that is gone for good out of the fleet.
func (c *Client) ForgetBalancer(ctx context.Context, key fleet.BalancerKey, w Write) (fleet.Result, error) {
	return c.change(ctx, http.MethodDelete, "/v1/balancers/"+step(key.Host)+"/"+step(key.Name), w, nil)
}
