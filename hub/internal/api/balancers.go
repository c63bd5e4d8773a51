package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

type forgetInput struct {
	Caller
	Host string `path:"host"`
	Name string `path:"name"`
}

func (a *API) routeBalancers() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/balancers", "list-balancers", "balancers", "List balancers"), func(ctx context.Context, _ *struct{}) (*listOutput[fleet.BalancerView], error) {
		return list(ctx, a, View.Balancers)
	})
	forget := operation(fleet.RoleOperator, http.MethodDelete, "/v1/balancers/{host}/{name}", "forget-balancer", "balancers", "Forget a balancer: nothing waits for it any more")
	register(a, ordering(forget, fleet.DoBalancerForget), func(ctx context.Context, in *forgetInput) (*resultOutput, error) {
		for _, part := range []string{in.Host, in.Name} {
			if err := fleet.ValidateHost(part); err != nil {
				return nil, err
			}
		}
		key := fleet.BalancerKey{Host: in.Host, Name: in.Name}
		return a.do(ctx, &in.Caller, fleet.Command{Do: fleet.DoBalancerForget, Balancer: key}, false)
	})
}
