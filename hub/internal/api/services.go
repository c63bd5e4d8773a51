package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

const servicePath = "/v1/projects/{project}/services/{service}"

// serviceInput names a service.
type serviceInput struct {
	Project string `path:"project"`
	Service string `path:"service"`
}

// ServiceOrder is an order about one service.
type ServiceOrder struct {
	Caller
	Conditional
	Project string `path:"project"`
	Service string `path:"service"`
}

type scaleInput struct {
	ServiceOrder
	Body struct {
		_     struct{} `additionalProperties:"false"`
		Count int      `json:"count" minimum:"0" maximum:"100000" doc:"How many instances there shall be"`
	}
}

func (a *API) routeServices() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/services", "list-services", "services", "List services"), a.listServices)
	register(a, operation(fleet.RoleViewer, http.MethodGet, servicePath, "get-service", "services", "Show one service with its instances"), a.getService)
	register(a, operation(fleet.RoleViewer, http.MethodGet, servicePath+"/pools", "list-pools", "services", "Show a service's pools on the balancers"), a.listPools)
	scale := operation(fleet.RoleOperator, http.MethodPost, servicePath+"/scale", "scale", "services", "Set the number of instances")
	scale.MaxBodyBytes, scale.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, scale, func(ctx context.Context, in *scaleInput) (*resultOutput, error) {
		return a.orderService(ctx, &in.ServiceOrder, fleet.Command{Do: fleet.DoScale, Count: in.Body.Count})
	})
	a.routeServiceOrder(http.MethodDelete, "", fleet.DoRemove, "remove-service", "Remove a service: its instances are drained and stopped")
	a.routeServiceOrder(http.MethodPost, "/restart", fleet.DoRestart, "restart", "Replace the instances, a few at a time")
	a.routeServiceOrder(http.MethodPost, "/freeze", fleet.DoFreeze, "freeze-service", "Leave a service as it is, whatever happens")
	a.routeServiceOrder(http.MethodPost, "/unfreeze", fleet.DoUnfreeze, "unfreeze-service", "Look after a frozen service again")
}

func (a *API) routeServiceOrder(method, suffix, do, id, summary string) {
	register(a, ordering(operation(fleet.RoleOperator, method, servicePath+suffix, id, "services", summary), do), func(ctx context.Context, in *ServiceOrder) (*resultOutput, error) {
		return a.orderService(ctx, in, fleet.Command{Do: do})
	})
}

func (a *API) orderService(ctx context.Context, in *ServiceOrder, cmd fleet.Command) (*resultOutput, error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	cmd.Service = key
	return a.do(ctx, &in.Caller, cmd, true)
}

type listServicesInput struct {
	Project string `query:"project" doc:"Only this project's"`
}

func (a *API) listServices(ctx context.Context, in *listServicesInput) (*listOutput[fleet.ServiceView], error) {
	if in.Project != "" {
		if err := fleet.ValidateProject(in.Project); err != nil {
			return nil, err
		}
	}
	return list(ctx, a, func(view View) []fleet.ServiceView { return view.Services(in.Project) })
}

func (a *API) getService(ctx context.Context, in *serviceInput) (*oneOutput[fleet.ServiceView], error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	var service fleet.ServiceView
	var found bool
	if err := a.read(ctx, func(view View) { service, found = view.Service(key) }); err != nil {
		return nil, err
	}
	if !found {
		return nil, noService(key)
	}
	return &oneOutput[fleet.ServiceView]{ETag: etag(service.Generation), Body: service}, nil
}

func (a *API) listPools(ctx context.Context, in *serviceInput) (*listOutput[fleet.PoolView], error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	found := false
	out, err := list(ctx, a, func(view View) []fleet.PoolView {
		_, found = view.Service(key)
		return view.Pools(key)
	})
	if err == nil && !found && len(out.Body.Items) == 0 {
		return nil, noService(key)
	}
	return out, err
}
