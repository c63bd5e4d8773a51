package api

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

type versionOutput struct {
	Body VersionInfo
}

// VersionInfo says which program answers.
type VersionInfo struct {
	Version string `json:"version" doc:"The hub's"`
	API     string `json:"api" doc:"The API's"`
}

func (a *API) routeVersion() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/version", "version", "hub", "Show the hub's version"), func(context.Context, *struct{}) (*versionOutput, error) {
		return &versionOutput{Body: VersionInfo{Version: a.options.Version, API: "v1"}}, nil
	})
}
