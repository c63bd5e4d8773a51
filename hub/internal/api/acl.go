package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/hub/policy"
	"github.com/musterhq/muster/shared/fleet"
)

type aclInput struct {
	Format string `query:"format" enum:"mosquitto" default:"mosquitto" doc:"Whose form the list has"`
	Hub    string `query:"hub" default:"muster.hub" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"The user that the hub is at that broker; none that a host could have"`
}

func (a *API) routeACL() {
	op := operation(fleet.RoleAdmin, http.MethodGet, "/v1/acl", "export-acl", "hub", "Export who may read and write which topics, for another broker")
	op.Responses = textLines()
	register(a, op, func(_ context.Context, in *aclInput) (*huma.StreamResponse, error) {
		if fleet.ValidateHost(in.Hub) == nil {
			return nil, fleet.Invalid("query.hub", "a host may be called %s, and would be taken for the hub", in.Hub).WithHint("take a name with a dot: muster.hub")
		}
		list := policy.Mosquitto(in.Hub, a.options.Accounts())
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", "text/plain; charset=utf-8")
			_, _ = ctx.BodyWriter().Write([]byte(list)) // a reader that has gone needs no answer
		}}, nil
	})
}
