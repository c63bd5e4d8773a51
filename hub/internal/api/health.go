package api

import (
	"io"
	"net/http"

	"github.com/musterhq/muster/shared/fleet"
)

// healthy answers while the process lives.
func (a *API) healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// ready answers whether the hub does its work.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) {
	if a.options.Ready != nil {
		if err := a.options.Ready(); err != nil {
			writeProblem(w, newProblem(http.StatusServiceUnavailable, fleet.CodeUnavailable, err.Error()))
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ready\n")
}
