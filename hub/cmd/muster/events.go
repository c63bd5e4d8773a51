package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) eventsCommand() *cli.Command {
	return &cli.Command{
		Name:  "events",
		Usage: "show what happened, and why",
		Description: `Examples:
   muster events -n 50
   muster events --follow --service rank
   muster events --type host.lost -o json

In brackets: the event's own id, and the id of the event or order behind it.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "then go on with what happens from now on"},
			&cli.IntFlag{Name: "number", Aliases: []string{"n"}, Value: 20, Usage: "the newest `N`"},
			&cli.StringFlag{Name: "type", Usage: "only of `TYPE`, like instance.ready or host.*"},
			&cli.StringFlag{Name: "service", Usage: "only of `SERVICE`"},
			&cli.StringFlag{Name: "host", Usage: "only of `HOST`"},
			&cli.StringFlag{Name: "instance", Usage: "only of instance `ID`"},
			&cli.Uint64Flag{Name: "since", Usage: "only after `REVISION`"},
		},
		Action: p.with(0, 0, showEvents),
	}
}

const (
	typePrefix = "muster."
	maxEvents  = 1000 // that the hub lists at once
)

func showEvents(ctx context.Context, s *session, _ []string) error {
	filter := client.EventFilter{
		Since: s.flags.Uint64("since"), Host: s.flags.String("host"),
		Instance: s.flags.String("instance"), Limit: s.flags.Int("number"),
	}
	if filter.Limit < 1 {
		return usage("-n must be 1 or more")
	}
	if kind := s.flags.String("type"); kind != "" {
		filter.Type = typePrefix + strings.TrimPrefix(kind, typePrefix)
	}
	if name := s.flags.String("service"); name != "" {
		key, err := s.serviceKey(ctx, name)
		if err != nil {
			return err
		}
		filter.Service = key.String()
	}
	list, err := s.hub.Events(ctx, filter)
	if err != nil {
		return err
	}
	follow := s.flags.Bool("follow")
	switch {
	case s.json && !follow:
		return s.printJSON(list)
	case len(list.Items) == 0 && !follow:
		s.printf("no events\n")
		return nil
	}
	if err := s.showEach(list.Items); err != nil || !follow {
		return err
	}
	return s.followEvents(ctx, filter, list.Revision)
}

// followEvents goes on until it is interrupted, which is no error.
func (s *session) followEvents(ctx context.Context, filter client.EventFilter, after uint64) error {
	err := s.hub.Watch(ctx, after, client.Watcher{
		Change: func(change fleet.Change) error {
			after = change.Revision
			var chosen []fleet.Event
			for _, event := range change.Events {
				if matches(filter, event) {
					chosen = append(chosen, event)
				}
			}
			return s.showEach(chosen)
		},
		Reset: func(revision uint64) error {
			seen := after
			after = revision
			return s.catchUp(ctx, filter, seen, revision)
		},
		Problem: func(err error) { s.note("%v; trying again", err) },
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the person has seen enough
	}
	return err
}

// catchUp shows the events after one revision, up to another: a watch that
// begins anew goes on from there.
func (s *session) catchUp(ctx context.Context, filter client.EventFilter, after, until uint64) error {
	if until < after {
		s.note("the hub went back from revision %d to %d", after, until)
	}
	for filter.Limit = maxEvents; after < until; {
		filter.Since = after
		list, err := s.hub.Events(ctx, filter)
		if err != nil {
			s.note("some events were missed: %v", err)
			return nil
		}
		after = until
		if n := len(list.Items); n >= maxEvents {
			after = list.Items[n-1].Revision
		}
		beyond := slices.IndexFunc(list.Items, func(e fleet.Event) bool { return e.Revision > until })
		if beyond >= 0 {
			list.Items = list.Items[:beyond]
		}
		if err := s.showEach(list.Items); err != nil {
			return err
		}
	}
	return nil
}

// showEach writes events as lines: for people, or one JSON object each.
func (s *session) showEach(events []fleet.Event) error {
	if !s.json && len(events) > 0 {
		s.printEvents(events)
		return nil
	}
	for _, event := range events {
		line, err := json.Marshal(event)
		if err != nil {
			return err
		}
		s.printf("%s\n", line)
	}
	return nil
}

func matches(f client.EventFilter, e fleet.Event) bool {
	return ofType(f.Type, e.Type) &&
		(f.Host == "" || f.Host == e.Data.Host) &&
		(f.Instance == "" || f.Instance == e.Data.Instance) &&
		(f.Service == "" || e.Data.Service != nil && f.Service == e.Data.Service.String())
}

// ofType reports whether a type is chosen; one that ends in * stands for all
// that begin so.
func ofType(chosen, kind string) bool {
	if prefix, open := strings.CutSuffix(chosen, "*"); open {
		return strings.HasPrefix(kind, prefix)
	}
	return chosen == "" || chosen == kind
}

func (s *session) printEvents(events []fleet.Event) {
	if len(events) == 0 {
		s.printf("none\n")
	}
	for _, e := range events {
		s.printf("%s  %-19s %s  [%s%s]\n", stamp(e.Time), strings.TrimPrefix(e.Type, typePrefix), told(e), e.ID, cause(e))
	}
}

// told is the event's message; an agent's begins with what it is about.
func told(e fleet.Event) string {
	if e.Source == "hub" || e.Data.Service == nil {
		return e.Data.Message
	}
	return fmt.Sprintf("%s %s on %s: %s", e.Data.Service, e.Data.Instance, e.Data.Host, e.Data.Message)
}

// cause says what is behind an event: a person, or another event.
func cause(e fleet.Event) string {
	switch {
	case e.Actor != "":
		return ", by " + e.Actor
	case e.Cause != "":
		return ", cause " + e.Cause
	default:
		return ""
	}
}

// stamp writes a time as the operator's clock has it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("Jan 02 15:04:05")
}
