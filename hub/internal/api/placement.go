package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

type maintenanceInput struct {
	HostOrder
	Body *struct {
		_      struct{}       `additionalProperties:"false"`
		For    fleet.Duration `json:"for,omitempty" doc:"How long; without it, until the host is activated"`
		Reason string         `json:"reason,omitempty" doc:"Why, for people: one line"`
		Drain  bool           `json:"drain,omitempty" doc:"Move its instances away, too"`
	}
}

type rebalanceInput struct {
	Caller
	Conditional
	Body *struct {
		_       struct{}         `additionalProperties:"false"`
		Project string           `json:"project,omitempty" doc:"Only this project's services"`
		Service fleet.ServiceKey `json:"service,omitzero" doc:"Only this service: project/service"`
		DryRun  bool             `json:"dryRun,omitempty" doc:"Say what would move, and move nothing"`
		Plan    string           `json:"plan,omitempty" doc:"The sum of the plan that was agreed to: refused if it is another by now"`
	}
}

func (a *API) routePlacement() {
	maintain := operation(fleet.RoleOperator, http.MethodPost, "/v1/hosts/{host}/maintenance", "maintain-host", "hosts", "Place nothing on a host, and take nothing that its silence would mean")
	maintain.MaxBodyBytes, maintain.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, ordering(maintain, fleet.DoHostMaintenance), func(ctx context.Context, in *maintenanceInput) (*resultOutput, error) {
		cmd := fleet.Command{Do: fleet.DoHostMaintenance}
		if in.Body != nil {
			cmd.For, cmd.Reason, cmd.Drain = in.Body.For, in.Body.Reason, in.Body.Drain
		}
		return a.orderHost(ctx, &in.HostOrder, cmd)
	})
	rebalance := operation(fleet.RoleOperator, http.MethodPost, "/v1/rebalance", "rebalance", "services", "Move instances to hosts that suit them better, one after another")
	rebalance.MaxBodyBytes, rebalance.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, rebalance, a.rebalance)
	explain := operation(fleet.RoleViewer, http.MethodGet, "/v1/instances/{instance}/explain", "explain-instance", "instances", "Say why an instance is where it is")
	register(a, explain, a.explainInstance)
	explain = operation(fleet.RoleViewer, http.MethodGet, servicePath+"/explain", "explain-service", "services", "Say where one more instance of a service would be placed, or one of a slot, and why not elsewhere")
	register(a, explain, a.explainService)
}

func (a *API) rebalance(ctx context.Context, in *rebalanceInput) (*resultOutput, error) {
	cmd, one := fleet.Command{Do: fleet.DoRebalance}, false
	if b := in.Body; b != nil {
		cmd.Project, cmd.Service, cmd.DryRun, cmd.Plan = b.Project, b.Service, b.DryRun, b.Plan
		one = !b.Service.IsZero()
	}
	if cmd.Project != "" {
		if err := fleet.ValidateProject(cmd.Project); err != nil {
			return nil, err
		}
	}
	return a.do(ctx, &in.Caller, cmd, one)
}

type explanationOutput struct {
	Body fleet.Explanation
}

func (a *API) explained(ctx context.Context, look func(View) (fleet.Explanation, bool), missing error) (*explanationOutput, error) {
	var out explanationOutput
	var found bool
	if err := a.read(ctx, func(view View) { out.Body, found = look(view) }); err != nil {
		return nil, err
	}
	if !found {
		return nil, missing
	}
	return &out, nil
}

type explainInstanceInput struct {
	Instance string `path:"instance"`
}

func (a *API) explainInstance(ctx context.Context, in *explainInstanceInput) (*explanationOutput, error) {
	return a.explained(ctx, func(v View) (fleet.Explanation, bool) { return v.ExplainInstance(in.Instance) },
		fleet.NotFound("there is no instance %q", in.Instance).WithHint("muster instances lists them"))
}

type explainServiceInput struct {
	Project string `path:"project"`
	Service string `path:"service"`
	Slot    int    `query:"slot" minimum:"0" doc:"Of this slot; 0: of one more"`
}

func (a *API) explainService(ctx context.Context, in *explainServiceInput) (*explanationOutput, error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	return a.explained(ctx, func(v View) (fleet.Explanation, bool) { return v.ExplainService(key, in.Slot) }, noService(key))
}
