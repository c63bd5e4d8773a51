package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/musterhq/muster/shared/fleet"
)

// HostRemoval says how a host leaves the fleet.
type HostRemoval struct {
	// Policy is what becomes of its containers: fleet.LeaveStop or LeaveKeep.
	Policy string
	Force  bool // it is dead: nobody waits for its agent
	// DataLost: what has its data there starts elsewhere too, with empty volumes.
	DataLost bool
	Unserved bool // also where its balancer is the last one of a service
}

// RemoveHost takes a host out of the fleet for good.
func (c *Client) RemoveHost(ctx context.Context, id string, r HostRemoval, w Write) (fleet.Result, error) {
	query := url.Values{"policy": {r.Policy}}
	for name, set := range map[string]bool{"force": r.Force, "dataLost": r.DataLost, "unserved": r.Unserved} {
		if set {
			query.Set(name, "true")
		}
	}
	return c.changeWith(ctx, http.MethodDelete, "/v1/hosts/"+step(id), query, w, nil)
}
