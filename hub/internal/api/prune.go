package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

type pruneInput struct {
	Caller
	Patience
	Host string `path:"host"`
	Body *struct {
		_      struct{} `additionalProperties:"false"`
		DryRun bool     `json:"dryRun,omitempty" doc:"Say what would be removed, and remove nothing"`
	}
}

// Pruned is what pruning a host came to.
type Pruned struct {
	Images  []fleet.PrunedImage `json:"images" nullable:"false" doc:"Those that were removed, or would be in a dry run"`
	Bytes   int64               `json:"bytes" doc:"What that frees at most: images share layers"`
	Problem string              `json:"problem,omitempty" doc:"Why others stay that nothing needs"`
}

type pruneOutput struct {
	Body Pruned
}

func (a *API) routePrune() {
	op := operation(fleet.RoleOperator, http.MethodPost, "/v1/hosts/{host}/prune", "prune-host", "hosts", "Remove images from a host that no kept version of any service needs")
	op.Description = "It is answered when the host is done, which may take minutes."
	op.MaxBodyBytes, op.BodyReadTimeout = a.limits.OrderBytes, a.limits.RequestTime
	register(a, ordering(op, "prune"), a.prune)
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
	host, err := a.getHost(ctx, &hostInput{Host: in.Host})
	if err != nil {
		return nil, err
	}
	if state := host.Body.Status.State; state != fleet.HostUp {
		return nil, unavailable("host %s is %s", in.Host, state).WithHint("muster host %s says more", in.Host)
	}
	in.until(time.Now().Add(a.limits.PruneTime + a.limits.WriteTime))
	ctx, cancel := context.WithTimeout(ctx, a.limits.PruneTime)
	defer cancel()
	dry := in.Body != nil && in.Body.DryRun
	answer, err := a.ask(ctx, in.Host, fleet.Ask{Do: fleet.AskPrune, DryRun: dry, TTL: fleet.Duration(a.limits.PruneTime), Cause: "prune by " + in.by.Name})
	if err == nil && !answer.OK && len(answer.Images) == 0 {
		err = unavailable("host %s removes no images: %s", in.Host, answer.Problem)
	}
	if !dry { // which changes nothing
		a.audit(in.by, "prune", "hosts/"+in.Host, fmt.Sprintf("%d removed", len(answer.Images)), err)
	}
	if err != nil {
		return nil, err
	}
	out := &pruneOutput{Body: Pruned{Images: append([]fleet.PrunedImage{}, answer.Images...), Problem: answer.Problem}}
	for _, image := range answer.Images {
		out.Body.Bytes += image.Bytes
	}
	return out, nil
}

// ask puts a question to a host and waits for its answer.
func (a *API) ask(ctx context.Context, host string, ask fleet.Ask) (fleet.Answer, error) {
	id, answered, err := a.answers.expect(host)
	if err != nil {
		return fleet.Answer{}, err
	}
	defer a.answers.forget(host, id)
	ask.ID = id
	if err := a.options.Asker.Ask(host, ask); err != nil {
		return fleet.Answer{}, fmt.Errorf("ask host %s: %w", host, err)
	}
	select {
	case answer := <-answered:
		return answer, nil
	case <-ctx.Done():
		return fleet.Answer{}, unavailable("host %s did not answer", host).WithHint("muster host %s shows whether it is up", host)
	case <-a.stopping:
		return fleet.Answer{}, unavailable("the hub is stopping")
	}
}
