package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

type pruneInput struct {
	Patience
	Host string `path:"host"`
	Body *struct {
		_      struct{} `additionalProperties:"false"`
		DryRun bool     `json:"dryRun,omitempty" doc:"Say what would be removed, and remove nothing"`
	}
}

type pruneOutput struct {
	Body fleet.Pruned
}

func (a *API) routePrune() {
	op := operation(http.MethodPost, "/v1/hosts/{host}/prune", "prune-host", "hosts", "Remove images from a host that no kept version of any service needs")
	op.Description = "It is answered when the host is done, which may take minutes."
	op.MaxBodyBytes, op.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, op, a.prune)
}

// Patience lets a request take longer than the server's own limits.
type Patience struct{ connection *http.ResponseController }

// Resolve implements huma.Resolver.
func (p *Patience) Resolve(ctx huma.Context) []error {
	_, w := humago.Unwrap(ctx)
	p.connection = http.NewResponseController(w)
	return nil
}

// until gives the connection time: a read that runs out would end the request.
func (p *Patience) until(deadline time.Time) {
	// A connection without deadlines has none that could be too early.
	_ = p.connection.SetReadDeadline(deadline)
	_ = p.connection.SetWriteDeadline(deadline)
}

func (a *API) prune(ctx context.Context, in *pruneInput) (*pruneOutput, error) {
	ask := fleet.Ask{Do: fleet.AskPrune, DryRun: in.Body != nil && in.Body.DryRun, TTL: fleet.Duration(a.limits.PruneTime)}
	host, err := a.getHost(ctx, &hostInput{Host: in.Host})
	if err != nil {
		return nil, err
	}
	if state := host.Body.Status.State; state != fleet.HostUp {
		return nil, unavailable("host %s is %s", in.Host, state).WithHint("muster host %s says more", in.Host)
	}
	if err := a.read(ctx, func(view View) { ask.Keep = view.Images() }); err != nil {
		return nil, err
	}
	limit := a.limits.PruneTime + a.limits.WriteTime
	in.until(time.Now().Add(limit + a.limits.WriteTime))
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	st, body, err := a.fetch(ctx, in.Host, ask)
	if err != nil {
		return nil, err
	}
	defer a.streams.finish(st)
	defer context.AfterFunc(ctx, st.abandon)()
	out := &pruneOutput{}
	if err := json.NewDecoder(io.LimitReader(body, a.limits.LogBytes)).Decode(&out.Body); err != nil {
		return nil, unavailable("host %s gave no answer that can be read: %v", in.Host, err)
	}
	return out, nil
}
