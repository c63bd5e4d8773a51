package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

type leaveInput struct {
	HostOrder
	Policy   string `query:"policy" enum:"stop,keep" default:"stop" doc:"What becomes of its containers: stopped once they are out of the balancers, or kept, as nobody's"`
	Force    bool   `query:"force" doc:"It is dead: nobody waits for its agent. Refused for a host that is up"`
	DataLost bool   `query:"dataLost" doc:"What has its data there starts elsewhere too, with empty volumes"`
	Unserved bool   `query:"unserved" doc:"Also where its balancer is the last one of a service"`
}

// routeHostLeave lets hosts be taken out of the fleet for good.
func (a *API) routeHostLeave() {
	remove := operation(fleet.RoleAdmin, http.MethodDelete, "/v1/hosts/{host}", "remove-host", "hosts", "Take a host out of the fleet for good")
	register(a, remove, func(ctx context.Context, in *leaveInput) (*resultOutput, error) {
		return a.orderHost(ctx, &in.HostOrder, fleet.Command{
			Do: fleet.DoHostRemove, Policy: in.Policy, Force: in.Force, DataLost: in.DataLost, Unserved: in.Unserved,
		})
	})
}
