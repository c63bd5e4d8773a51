package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
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
	register(a, operation(http.MethodGet, "/v1/hub/settings", "hub-settings", "hub", "Show what the hub runs with, without secrets"), func(context.Context, *struct{}) (*settingsOutput, error) {
		out := &settingsOutput{}
		out.Body.Settings = append([]Setting{}, a.options.Settings...)
		return out, nil
	})
	op := operation(http.MethodGet, "/v1/hub/log", "hub-log", "hub", "Show the end of the hub's log, as far as it has it in memory")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "Lines of text, oldest first",
		Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
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
