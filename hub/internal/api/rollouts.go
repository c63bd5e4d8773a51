package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (a *API) routeRollouts() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, servicePath+"/rollout", "get-rollout", "rollouts", "Show a service's last rollout"), a.getRollout)
	a.routeRolloutOrder("pause", fleet.DoPause, "pause-rollout", "Keep a rollout as it is until somebody resumes or promotes it")
	a.routeRolloutOrder("resume", fleet.DoResume, "resume-rollout", "Let a paused rollout go on")
	a.routeRolloutOrder("abort", fleet.DoAbort, "abort-rollout", "Go back to the version that the rollout came from")
	a.routeRolloutOrder("retry", fleet.DoRetry, "retry-rollout", "Try a rollout again that failed")
	promote := a.rolloutOrder("promote", "promote-rollout", "Let a rollout go on to its next step, or to its end")
	register(a, ordering(promote, fleet.DoPromote), func(ctx context.Context, in *promoteInput) (*resultOutput, error) {
		cmd := fleet.Command{Do: fleet.DoPromote}
		if in.Body != nil {
			cmd.Rollout, cmd.Fully = in.Body.Rollout, in.Body.Fully
		}
		return a.orderService(ctx, &in.ServiceOrder, cmd)
	})
}

// RolloutNamed is the body of orders about a rollout.
type RolloutNamed struct {
	_       struct{} `additionalProperties:"false"`
	Rollout uint64   `json:"rollout,omitempty" doc:"The id of the rollout that the caller saw: the order is refused if it is not the last one any more. 0: whichever it is"`
}

type rolloutInput struct {
	ServiceOrder
	Body *RolloutNamed
}

type promoteInput struct {
	ServiceOrder
	Body *struct {
		RolloutNamed
		Fully bool `json:"fully,omitempty" doc:"Without any further step or word from a person; what fails goes back all the same"`
	}
}

func (a *API) rolloutOrder(verb, id, summary string) huma.Operation {
	op := operation(fleet.RoleOperator, http.MethodPost, servicePath+"/rollout/"+verb, id, "rollouts", summary)
	op.MaxBodyBytes, op.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	return op
}

func (a *API) routeRolloutOrder(verb, do, id, summary string) {
	register(a, ordering(a.rolloutOrder(verb, id, summary), do), func(ctx context.Context, in *rolloutInput) (*resultOutput, error) {
		cmd := fleet.Command{Do: do}
		if in.Body != nil {
			cmd.Rollout = in.Body.Rollout
		}
		return a.orderService(ctx, &in.ServiceOrder, cmd)
	})
}

type rolloutOutput struct {
	Body fleet.RolloutView
}

func (a *API) getRollout(ctx context.Context, in *serviceInput) (*rolloutOutput, error) {
	key, err := serviceKey(in.Project, in.Service)
	if err != nil {
		return nil, err
	}
	out := &rolloutOutput{}
	var known, found bool
	err = a.read(ctx, func(view View) {
		_, known = view.Service(key)
		out.Body, found = view.Rollout(key)
	})
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, noService(key)
	case !found:
		return nil, fleet.NotFound("%s has had no rollout yet", key).WithHint("one begins when a new version of it is applied")
	}
	return out, nil
}
