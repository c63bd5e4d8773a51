package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

// Setting is one that the hub runs with.
type Setting struct {
	Name  string `json:"name" doc:"The flag's, without dashes"`
	Value string `json:"value"`
}

type settingsOutput struct {
	Body struct {
		Settings []Setting `json:"settings" nullable:"false"`
	}
}

// routeInside tells of the hub itself what a supporter asks for.
func (a *API) routeInside() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/hub/settings", "hub-settings", "hub", "Show what the hub runs with, without secrets"), func(context.Context, *struct{}) (*settingsOutput, error) {
		out := &settingsOutput{}
		out.Body.Settings = append([]Setting{}, a.options.Settings...)
		return out, nil
	})
	agent := operation(fleet.RoleViewer, http.MethodGet, "/v1/hosts/{host}/log", "host-log", "hosts", "Show the end of a host's agent's log, as far as it has it in memory")
	agent.Responses = textLines()
	register(a, agent, a.hostLog)
	op := operation(fleet.RoleViewer, http.MethodGet, "/v1/hub/log", "hub-log", "hub", "Show the end of the hub's log, as far as it has it in memory")
	op.Responses = textLines()
	register(a, op, a.hubLog)
}

func (a *API) hubLog(context.Context, *struct{}) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/plain; charset=utf-8")
		if a.options.Recent != nil {
			_, _ = a.options.Recent.WriteTo(ctx.BodyWriter()) // a reader that has gone needs no answer
		}
	}}, nil
}

func (a *API) hostLog(ctx context.Context, in *hostInput) (*huma.StreamResponse, error) {
	if _, err := a.getHost(ctx, in); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.LogTime)
	st, body, err := a.fetch(ctx, in.Host, fleet.Ask{Do: fleet.AskAgentLog})
	if err != nil {
		cancel()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer cancel()
		defer a.streams.finish(st)
		_, w := humago.Unwrap(hctx)
		newLogWriter(w, a.limits).copy(ctx, st, body, "")
	}}, nil
}
