package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

type hostInput struct {
	Host string `path:"host"`
}

// HostOrder is an order about one host.
type HostOrder struct {
	Caller
	Conditional
	Host string `path:"host"`
}

func (a *API) routeHosts() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/hosts", "list-hosts", "hosts", "List hosts"), func(ctx context.Context, _ *struct{}) (*listOutput[fleet.HostView], error) {
		return list(ctx, a, View.Hosts)
	})
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/hosts/{host}", "get-host", "hosts", "Show one host"), a.getHost)
	a.routeHostLeave()
	a.routeHostOrder("drain", fleet.DoHostDrain, "drain-host", "Move a host's instances away and place none there")
	a.routeHostOrder("activate", fleet.DoHostActivate, "activate-host", "Place instances on a drained host again")
	a.routeHostOrder("freeze", fleet.DoFreeze, "freeze-host", "Change nothing on a host, whatever happens")
	a.routeHostOrder("unfreeze", fleet.DoUnfreeze, "unfreeze-host", "Look after a frozen host again")
	register(a, ordering(operation(fleet.RoleOperator, http.MethodPost, "/v1/hosts/{host}/fail", "fail-host", "hosts", "Declare a lost host dead: what it ran is placed elsewhere"), fleet.DoHostFail), func(ctx context.Context, in *failInput) (*resultOutput, error) {
		return a.orderHost(ctx, &in.HostOrder, fleet.Command{Do: fleet.DoHostFail, DataLost: in.DataLost})
	})
}

type failInput struct {
	HostOrder
	DataLost bool `query:"dataLost" doc:"What has its data there is placed elsewhere too, with empty volumes"`
}

func (a *API) routeHostOrder(verb, do, id, summary string) {
	register(a, ordering(operation(fleet.RoleOperator, http.MethodPost, "/v1/hosts/{host}/"+verb, id, "hosts", summary), do), func(ctx context.Context, in *HostOrder) (*resultOutput, error) {
		return a.orderHost(ctx, in, fleet.Command{Do: do})
	})
}

func (a *API) orderHost(ctx context.Context, in *HostOrder, cmd fleet.Command) (*resultOutput, error) {
	if err := fleet.ValidateHost(in.Host); err != nil {
		return nil, err
	}
	cmd.Host = in.Host
	return a.do(ctx, &in.Caller, cmd, true)
}

func (a *API) getHost(ctx context.Context, in *hostInput) (*oneOutput[fleet.HostView], error) {
	if err := fleet.ValidateHost(in.Host); err != nil {
		return nil, err
	}
	var host fleet.HostView
	var found bool
	if err := a.read(ctx, func(view View) { host, found = view.Host(in.Host) }); err != nil {
		return nil, err
	}
	if !found {
		return nil, noHost(in.Host)
	}
	return &oneOutput[fleet.HostView]{ETag: etag(host.Generation), Body: host}, nil
}
