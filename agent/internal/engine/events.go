package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// followed are the actions that may change what Containers returns.
var followed = []events.Action{
	events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionKill,
	events.ActionPause, events.ActionUnPause, events.ActionRename, events.ActionUpdate, events.ActionDestroy,
	events.ActionHealthStatus, events.ActionConnect, events.ActionDisconnect,
}

// Events calls wake for each action on a container until the context ends or
// the stream breaks, and returns why. The first call, with an empty container
// and action, says that the stream is open: what happened before is unknown.
// wake must return at once.
func (e *Engine) Events(ctx context.Context, wake func(container, action string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filter := filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)), filters.Arg("type", string(events.NetworkEventType)))
	for _, action := range followed {
		filter.Add("event", string(action))
	}
	messages, broke, err := e.subscribe(ctx, cancel, events.ListOptions{
		// Some engines answer before they listen.
		Since:   time.Now().Format(time.RFC3339Nano),
		Filters: filter,
	})
	if err != nil {
		return fmt.Errorf("subscribe to events: %w", err)
	}
	e.known.follow(1)
	defer e.known.follow(-1)
	wake("", "")
	for {
		select {
		case message := <-messages:
			container, action := readEvent(&message)
			e.known.invalidate(container)
			wake(container, action)
		case err := <-broke:
			return fmt.Errorf("follow events: %w", err)
		}
	}
}

// subscribe opens the stream within the timeout; after that it may be silent
// for as long as it likes.
func (e *Engine) subscribe(ctx context.Context, cancel context.CancelFunc, options events.ListOptions) (<-chan events.Message, <-chan error, error) {
	var messages <-chan events.Message
	var broke <-chan error
	err := e.call(ctx, func(_ context.Context, cli *client.Client) error {
		late := time.AfterFunc(e.options.Timeout, cancel)
		messages, broke = cli.Events(ctx, options)
		if !late.Stop() {
			return &timeoutError{limit: e.options.Timeout, err: <-broke}
		}
		return nil
	})
	return messages, broke, err
}

// readEvent returns the container that an event is about, and the action
// without its details.
func readEvent(message *events.Message) (container, action string) {
	action, _, _ = strings.Cut(string(message.Action), ":")
	if message.Type == events.NetworkEventType {
		return message.Actor.Attributes["container"], action
	}
	return message.Actor.ID, action
}
