package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/agent/brain"
)

// followed are the actions that may change what Containers returns.
var followed = []events.Action{
	events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionKill,
	events.ActionPause, events.ActionUnPause, events.ActionRename, events.ActionUpdate, events.ActionDestroy,
	events.ActionHealthStatus, events.ActionConnect, events.ActionDisconnect,
}

// Events calls wake for each action on a container until the context ends or
// the stream breaks, and returns why. The first call, about nothing, says that
// the stream is open: what happened before is unknown. wake must return at
// once.
func (e *Engine) Events(ctx context.Context, wake func(brain.Noticed)) error {
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
	wake(brain.Noticed{})
	for {
		select {
		case message := <-messages:
			noticed := readEvent(&message)
			e.known.invalidate(noticed.Container)
			wake(noticed)
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
func readEvent(message *events.Message) brain.Noticed {
	action, _, _ := strings.Cut(string(message.Action), ":")
	if message.Type == events.NetworkEventType {
		return brain.Noticed{Container: message.Actor.Attributes["container"], Action: action}
	}
	return brain.Noticed{Container: message.Actor.ID, Action: action, Signal: signalNumber(message.Actor.Attributes["signal"])}
}

// signalNumber reads a signal as engines write it: its number, or its name
// with or without SIG. 0: there is none of that name.
func signalNumber(text string) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return int(unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")))
}
