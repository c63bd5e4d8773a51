package api

import (
	"context"

	"github.com/musterhq/muster/shared/fleet"
)

// List is the body of every answer with several items.
type List[T any] struct {
	Items []T `json:"items" nullable:"false"`
	// Revision of the fleet that the items are from.
	Revision uint64 `json:"revision" doc:"The fleet's revision that the items are from: watch the changes after it"`
}

type listOutput[T any] struct {
	Body List[T]
}

// list reads items from one view of the fleet.
func list[T any](ctx context.Context, a *API, read func(View) []T) (*listOutput[T], error) {
	out := &listOutput[T]{}
	err := a.read(ctx, func(view View) {
		out.Body = List[T]{Items: read(view), Revision: view.Revision()}
	})
	if err != nil {
		return nil, err
	}
	if out.Body.Items == nil {
		out.Body.Items = []T{}
	}
	return out, nil
}

// one is an answer with one thing that If-Match can name later.
type oneOutput[T any] struct {
	ETag string `header:"ETag" doc:"Its generation, for If-Match"`
	Body T
}

func (a *API) read(ctx context.Context, fn func(View)) error {
	ctx, cancel := context.WithTimeout(ctx, a.limits.OrderTime)
	defer cancel()
	return a.options.Fleet.Read(ctx, fn)
}

// serviceKey reads the two parts of a service's identity.
func serviceKey(project, service string) (fleet.ServiceKey, error) {
	if err := fleet.ValidateProject(project); err != nil {
		return fleet.ServiceKey{}, err
	}
	if err := fleet.ValidateServiceName(service); err != nil {
		return fleet.ServiceKey{}, err
	}
	return fleet.ServiceKey{Project: project, Name: service}, nil
}

func noService(key fleet.ServiceKey) error {
	return fleet.NotFound("there is no service %s", key).WithHint("muster services lists them")
}

func noHost(id string) error {
	return fleet.NotFound("there is no host %q", id).WithHint("muster hosts lists them")
}
