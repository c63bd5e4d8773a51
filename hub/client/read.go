package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// List is a list as of one revision.
type List[T any] struct {
	Items    []T    `json:"items"`
	Revision uint64 `json:"revision"`
}

// Version is what the hub says of itself.
type Version struct {
	Version string `json:"version"`
	API     string `json:"api"`
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, path, query, nil, nil, &out)
	return out, err
}

// Version asks the hub for its version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return get[Version](ctx, c, "/v1/version", nil)
}

// Services lists the services of a project; empty: all.
func (c *Client) Services(ctx context.Context, project string) (List[fleet.ServiceView], error) {
	return get[List[fleet.ServiceView]](ctx, c, "/v1/services", params("project", project))
}

// Service reads one service with its instances.
func (c *Client) Service(ctx context.Context, key fleet.ServiceKey) (fleet.ServiceView, error) {
	return get[fleet.ServiceView](ctx, c, servicePath(key), nil)
}

// Pools lists a service's pools on every balancer.
func (c *Client) Pools(ctx context.Context, key fleet.ServiceKey) (List[fleet.PoolView], error) {
	return get[List[fleet.PoolView]](ctx, c, servicePath(key)+"/pools", nil)
}

// Versions lists the kept versions of a service, the newest first.
func (c *Client) Versions(ctx context.Context, key fleet.ServiceKey) (List[fleet.VersionView], error) {
	return get[List[fleet.VersionView]](ctx, c, servicePath(key)+"/versions", nil)
}

// ServiceVersion reads one kept version of a service in full.
func (c *Client) ServiceVersion(ctx context.Context, key fleet.ServiceKey, number int) (fleet.VersionView, error) {
	return get[fleet.VersionView](ctx, c, servicePath(key)+"/versions/"+strconv.Itoa(number), nil)
}

// Difference is how one version of a service differs from another.
type Difference struct {
	From   int                 `json:"from"`
	To     int                 `json:"to"`
	Fields []fleet.FieldChange `json:"fields"`
}

// Diff compares two kept versions of a service. To 0: the current one; from 0:
// the one kept before to.
func (c *Client) Diff(ctx context.Context, key fleet.ServiceKey, from, to int) (Difference, error) {
	return get[Difference](ctx, c, servicePath(key)+"/diff", params("from", number(from), "to", number(to)))
}

// number is empty for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Rollout reads a service's last rollout.
func (c *Client) Rollout(ctx context.Context, key fleet.ServiceKey) (fleet.RolloutView, error) {
	return get[fleet.RolloutView](ctx, c, servicePath(key)+"/rollout", nil)
}

// Instances lists instances of a service ("project/name") and a host; empty: all.
func (c *Client) Instances(ctx context.Context, service, host string) (List[fleet.InstanceView], error) {
	return get[List[fleet.InstanceView]](ctx, c, "/v1/instances", params("service", service, "host", host))
}

// Hosts lists the hosts.
func (c *Client) Hosts(ctx context.Context) (List[fleet.HostView], error) {
	return get[List[fleet.HostView]](ctx, c, "/v1/hosts", nil)
}

// Host reads one host.
func (c *Client) Host(ctx context.Context, id string) (fleet.HostView, error) {
	return get[fleet.HostView](ctx, c, "/v1/hosts/"+step(id), nil)
}

// Balancers lists the balancers.
func (c *Client) Balancers(ctx context.Context) (List[fleet.BalancerView], error) {
	return get[List[fleet.BalancerView]](ctx, c, "/v1/balancers", nil)
}

// ExportChoice says which services are exported; the zero value: all.
type ExportChoice struct {
	Services []fleet.ServiceKey
	Project  string
	Protocol string // "http", which has gRPC too, or "tcp"; empty: both
}

// Export reads the services in the form that a balancer or collector reads that no agent
// drives: "haproxy", "nginx", "traefik", "prometheus" or "json".
func (c *Client) Export(ctx context.Context, format string, choice ExportChoice) ([]byte, error) {
	query := params("project", choice.Project, "protocol", choice.Protocol)
	for _, key := range choice.Services {
		query.Add("service", key.String())
	}
	return c.Raw(ctx, "/v1/export/"+step(format), query)
}

// EventFilter chooses events; what is empty doesn't restrict.
type EventFilter struct {
	Since    uint64 // revision after which
	Type     string
	Service  string // "project/name"
	Host     string
	Instance string
	Limit    int // the newest so many
}

// Events lists events in the order in which they happened.
func (c *Client) Events(ctx context.Context, f EventFilter) (List[fleet.Event], error) {
	query := params("type", f.Type, "service", f.Service, "host", f.Host, "instance", f.Instance)
	if f.Since != 0 {
		query.Set("since", strconv.FormatUint(f.Since, 10))
	}
	if f.Limit != 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	return get[List[fleet.Event]](ctx, c, "/v1/events", query)
}

func servicePath(key fleet.ServiceKey) string {
	return "/v1/projects/" + step(key.Project) + "/services/" + step(key.Name)
}

// Raw reads what a path answers, as it is.
func (c *Client) Raw(ctx context.Context, path string, query url.Values) ([]byte, error) {
	resp, err := c.send(ctx, http.MethodGet, path, query, nil, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.unreachable(ctx, err)
	case len(data) > maxAnswer:
		return nil, fmt.Errorf("the hub's answer to GET %s has more than %d MiB", path, maxAnswer>>20)
	}
	return data, nil
}

// params makes a query of pairs, without those that are empty.
func params(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

// pause waits, or returns early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
