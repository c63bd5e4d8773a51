package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterhq/muster/shared/fleet"
)

// API is the hub's HTTP API.
type API struct {
	options Options
	limits  Limits
	log     *slog.Logger
	metrics *metrics
	streams *streams
	answers *answers
	rights  *rights

	watchers  chan struct{} // one place for each watcher
	followers chan struct{} // one for each who follows logs
	stopping  chan struct{} // closed when streams have to end
	stop      sync.Once

	mux     *http.ServeMux
	huma    huma.API
	handler http.Handler // of /v1/…, /healthz, /readyz, /metrics and /openapi.json
}

// New makes the API. It starts nothing.
func New(options Options) *API {
	if options.Limits == (Limits{}) {
		options.Limits = DefaultLimits()
	}
	if options.Registry == nil {
		options.Registry = prometheus.NewRegistry()
	}
	a := &API{
		options:   options,
		limits:    options.Limits,
		log:       options.Logger,
		metrics:   newMetrics(options.Registry, options.Version),
		streams:   newStreams(options.Limits.Streams, options.Limits.Followed),
		answers:   newAnswers(options.Limits.Asks),
		rights:    newRights(),
		watchers:  make(chan struct{}, options.Limits.Watchers),
		followers: make(chan struct{}, options.Limits.Followers),
		stopping:  make(chan struct{}),
		mux:       http.NewServeMux(),
	}
	a.huma = humago.New(a.mux, describe())
	a.huma.UseMiddleware(a.authorize)
	a.route()
	a.handler = a.guard(a.mux)
	return a
}

func (a *API) route() {
	a.routeVersion()
	a.routeInside()
	a.routeApply()
	a.routeServices()
	a.routeVersions()
	a.routeRollouts()
	a.routeInstances()
	a.routeHosts()
	a.routePlacement()
	a.routePrune()
	a.routeCommands()
	a.routeBalancers()
	a.routeExport()
	a.routeSchema()
	a.routeSecrets()
	a.routeEvents()
	a.routeWatch()
	a.routeLogs()
	a.routeJoin()
	a.routeLogin()
	a.routeUsers()
	a.routeTokens()
	a.routeAudit()
	a.mux.HandleFunc("POST "+streamPath+"{token}", a.takeStream)
	a.mux.HandleFunc("GET /healthz", a.healthy)
	a.mux.HandleFunc("GET /readyz", a.ready)
	a.mux.Handle("GET /metrics", a.only(fleet.RoleViewer, "metrics", a.metrics.handler()))
	a.mux.Handle("GET /openapi.json", a.only(fleet.RoleViewer, "openapi", serveDocument(a.Document())))
}

// register adds an operation whose errors become problem details.
func register[I, O any](a *API, op huma.Operation, fn func(context.Context, *I) (*O, error)) {
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, a.problem(err)
		}
		return out, nil
	})
}

// endStreams ends watchers and logs, so that a server can shut down.
func (a *API) endStreams() { a.stop.Do(func() { close(a.stopping) }) }
