package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/musterhq/muster/shared/fleet"
)

type eventsInput struct {
	Since    string   `query:"since" doc:"Only events of the revisions after this one, from the first on; without it: the last ones. A revision is never split, so there may be more than limit." example:"41"`
	Type     []string `query:"type" doc:"Only these types; one that ends in * stands for all that begin so" maxItems:"50"`
	Service  string   `query:"service" doc:"Only this service's: project/service"`
	Host     string   `query:"host" doc:"Only this host's"`
	Instance string   `query:"instance" doc:"Only this instance's"`
	Limit    int      `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

func (a *API) routeEvents() {
	register(a, operation(fleet.RoleViewer, http.MethodGet, "/v1/events", "list-events", "events", "List events, oldest first"), a.listEvents)
}

func (a *API) listEvents(ctx context.Context, in *eventsInput) (*listOutput[fleet.Event], error) {
	filter := EventFilter{Limit: in.Limit, Types: in.Type, Host: in.Host, Instance: in.Instance}
	var err error
	if filter.Service, err = optionalService(in.Service); err != nil {
		return nil, err
	}
	if err := optionalHost(in.Host); err != nil {
		return nil, err
	}
	if filter.After, filter.Since, err = parseRevision("query.since", in.Since); err != nil {
		return nil, err
	}
	// The revision is read first: a watch that begins there misses nothing.
	out, err := list(ctx, a, func(View) []fleet.Event { return nil })
	if err != nil {
		return nil, err
	}
	events, err := a.options.Fleet.Events(ctx, filter)
	if err != nil {
		return nil, err
	}
	if !filter.Since {
		events = slices.Clone(events)
		slices.Reverse(events)
	}
	if events != nil {
		out.Body.Items = events
	}
	return out, nil
}

// parseRevision reads a revision that may be left out.
func parseRevision(path, text string) (revision uint64, given bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	revision, err = strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false, fleet.Invalid(path, "%q is not a revision", text).WithHint("revisions are whole numbers, as answers carry them")
	}
	return revision, true, nil
}
