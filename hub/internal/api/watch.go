package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/shared/fleet"
)

type watchInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"The last revision seen: a browser sends it when it comes back, and it counts more than since"`
	Since       string `query:"since" doc:"Changes after this revision; without it: from now on"`
}

// Reset is the data of the event that tells a watcher to read anew.
type Reset struct {
	Revision uint64 `json:"revision" doc:"Watch from here, after reading what is wanted anew"`
	Reason   string `json:"reason"`
}

func (a *API) routeWatch() {
	op := operation(fleet.RoleViewer, http.MethodGet, "/v1/watch", "watch", "events", "Stream changes as they are committed")
	op.Description = "Server-sent events. `event: change` has a Change as its data and its revision as its id. `event: reset` says that changes were missed, because the watcher was too slow or away for too long, or the hub has started anew: read anew, then go on from its revision. The stream ends after it."
	schemas := a.huma.OpenAPI().Components.Schemas
	change := schemas.Schema(reflect.TypeFor[fleet.Change](), true, "")
	reset := schemas.Schema(reflect.TypeFor[Reset](), true, "")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of events",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
			Description: "The data of one event",
			OneOf:       []*huma.Schema{change, reset},
		}}},
	}}
	register(a, op, a.watch)
}

func (a *API) watch(ctx context.Context, in *watchInput) (*huma.StreamResponse, error) {
	since, given, err := parseRevision("query.since", in.Since)
	if err != nil {
		return nil, err
	}
	if in.LastEventID != "" {
		if since, given, err = parseRevision("header.Last-Event-ID", in.LastEventID); err != nil {
			return nil, err
		}
	}
	now, err := a.revision(ctx)
	if err != nil {
		return nil, err
	}
	if !given {
		since = now
	}
	select {
	case a.watchers <- struct{}{}:
	default:
		return nil, (&fleet.Error{Code: fleet.CodeUnavailable, Message: "too many watchers"}).WithHint("try again later")
	}
	changes, reason, err := a.subscribe(ctx, since, now)
	if err != nil {
		<-a.watchers
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer func() { <-a.watchers }()
		r, w := humago.Unwrap(hctx)
		a.metrics.watchers.Inc()
		defer a.metrics.watchers.Dec()
		out := newEventWriter(w, a.limits.WriteTime)
		if reason != "" {
			out.reset(now, reason)
			return
		}
		a.follow(r, out, changes)
	}}, nil
}

// subscribe returns the changes after since, or the reason why the watcher
// has to read anew.
func (a *API) subscribe(ctx context.Context, since, now uint64) (changes <-chan fleet.Change, reason string, err error) {
	if since == 0 && now > 0 {
		return nil, "the fleet has changed since it was empty", nil // to the fleet, 0 means from now on
	}
	if since > now {
		return nil, "this hub has not reached that revision: it was restored from an older state", nil
	}
	changes, err = a.options.Fleet.Watch(ctx, since)
	if fleet.CodeOf(err) == fleet.CodeNotFound {
		return nil, "changes since that revision are no longer known", nil
	}
	return changes, "", err
}

// follow sends changes until the watcher leaves, is too slow, may no longer watch,
// or the server stops.
func (a *API) follow(r *http.Request, out *eventWriter, changes <-chan fleet.Change) {
	ctx := r.Context()
	heartbeat := time.NewTicker(a.limits.Heartbeat)
	defer heartbeat.Stop()
	changed := a.rights.next() // first, so that no change is missed
	err := stillMay(r)
	if err == nil {
		err = out.comment("watching")
	}
	for err == nil {
		select {
		case <-changed:
			changed = a.rights.next()
			err = stillMay(r)
		case <-ctx.Done():
			return
		case <-a.stopping:
			return
		case <-heartbeat.C:
			if err = stillMay(r); err == nil {
				err = out.comment("still here") // a session may have ended meanwhile
			}
		case change, open := <-changes:
			if !open {
				a.cutOff(ctx, out)
				return
			}
			err = out.event("change", change.Revision, change)
		}
	}
	a.log.Debug("watcher ended", "error", err)
}

// cutOff tells a watcher that was too slow to read anew.
func (a *API) cutOff(ctx context.Context, out *eventWriter) {
	if ctx.Err() != nil {
		return
	}
	now, err := a.revision(ctx)
	if err != nil {
		return // it comes back with the last revision that it saw
	}
	out.reset(now, "the watcher was too slow")
}

func (a *API) revision(ctx context.Context) (revision uint64, err error) {
	err = a.read(ctx, func(view View) { revision = view.Revision() })
	return revision, err
}

// eventWriter writes server-sent events. Each must be taken within its limit.
type eventWriter struct {
	w     io.Writer
	conn  *http.ResponseController
	limit time.Duration
}

func newEventWriter(w http.ResponseWriter, limit time.Duration) *eventWriter {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for proxies
	return &eventWriter{w: w, conn: http.NewResponseController(w), limit: limit}
}

func (e *eventWriter) comment(text string) error { return e.send(": " + text + "\n\n") }

func (e *eventWriter) event(name string, id uint64, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return e.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", id, name, raw))
}

func (e *eventWriter) reset(revision uint64, reason string) {
	// The stream ends anyway; a watcher that doesn't get this comes back.
	_ = e.event("reset", revision, Reset{Revision: revision, Reason: reason})
}

func (e *eventWriter) send(text string) error {
	if err := e.conn.SetWriteDeadline(time.Now().Add(e.limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := io.WriteString(e.w, text); err != nil {
		return err
	}
	return e.conn.Flush()
}
