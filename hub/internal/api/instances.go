package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

type listInstancesInput struct {
	Service string `query:"service" doc:"Only this service's: project/service"`
	Host    string `query:"host" doc:"Only those on this host"`
}

func (a *API) routeInstances() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/instances", "list-instances", "instances", "List instances"), a.listInstances)
}

func (a *API) listInstances(ctx context.Context, in *listInstancesInput) (*listOutput[fleet.InstanceView], error) {
	key, err := optionalService(in.Service)
	if err != nil {
		return nil, err
	}
	if err := optionalHost(in.Host); err != nil {
		return nil, err
	}
	return list(ctx, a, func(view View) []fleet.InstanceView { return view.Instances(key, in.Host) })
}

func optionalService(text string) (fleet.ServiceKey, error) {
	if text == "" {
		return fleet.ServiceKey{}, nil
	}
	return fleet.ParseServiceKey(text)
}

func optionalHost(id string) error {
	if id == "" {
		return nil
	}
	return fleet.ValidateHost(id)
}
