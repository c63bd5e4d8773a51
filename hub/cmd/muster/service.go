package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// recentEvents is how many events the view of one thing shows.
const recentEvents = 10

func (p *program) serviceCommand() *cli.Command {
	return &cli.Command{
		Name:      "service",
		Usage:     "show one service: desired beside actual, its instances, what happened",
		ArgsUsage: "SERVICE",
		Description: `SERVICE is project/name, or just the name where only one project has it.

Example:
   muster service leaderboard/rank`,
		Action:       p.with(1, 1, showService),
		BashComplete: p.completeServices,
	}
}

func showService(ctx context.Context, s *session, args []string) error {
	key, err := s.serviceKey(ctx, args[0])
	if err != nil {
		return err
	}
	view, err := s.hub.Service(ctx, key)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(view)
	}
	events, err := s.hub.Events(ctx, client.EventFilter{Service: key.String(), Limit: recentEvents})
	if err != nil {
		return err
	}
	s.printService(view)
	s.printf("\n")
	s.printInstances(view.Instances, false)
	s.printf("\nLatest events:\n")
	s.printEvents(events.Items)
	return nil
}

func (s *session) printService(v fleet.ServiceView) {
	s.line("Service", v.Key.String())
	s.line("State", s.state(v.State))
	for _, reason := range v.Reasons {
		s.line("", reason)
	}
	if v.Frozen && v.State != fleet.ServiceFrozen {
		s.line("", "frozen")
	}
	if v.Stopped && v.State != fleet.ServiceStopped {
		s.line("", "stopped")
	}
	if len(v.StoppedOn) > 0 {
		s.line("", "stopped on "+strings.Join(v.StoppedOn, ", "))
	}
	count := instances(v.Desired)
	if v.Mode == fleet.ModeGlobal {
		count = "one instance on every eligible host, " + strconv.Itoa(v.Desired) + " in all"
	}
	if v.Mode == fleet.ModeJob {
		count = "one instance, which runs to its end,"
	}
	s.line("Desired", count+" of version "+strconv.Itoa(v.Version)+": "+v.Image)
	if v.Pin != "" {
		s.line("", "pinned as "+v.Pin)
	}
	if v.Service != nil && len(v.Service.Constraints) > 0 {
		var where []string
		for _, c := range v.Service.Constraints {
			where = append(where, c.String())
		}
		s.line("", "where "+strings.Join(where, " and "))
	}
	if v.Service != nil {
		for i, label := range slices.Sorted(maps.Keys(v.Service.Labels)) {
			s.line(first(i, "Labels"), label+"="+v.Service.Labels[label])
		}
	}
	if r := v.Rollout; r != nil {
		s.printLastRollout(r, v.Key)
	}
	if r := v.Run; r.Over() {
		s.line("Run", fmt.Sprintf("version %d as %s on %s: exited with code %d %s", r.Version, r.Instance, r.Host, r.Code, stamp(r.Ended)))
	}
	for i, w := range v.WaitsFor {
		s.line(first(i, "Waits"), fmt.Sprintf("for %s to be %s, since %s", w.Service.Name, w.Condition, stamp(w.Since)))
	}
	s.line("Actual", strconv.Itoa(v.Running)+" running, "+strconv.Itoa(v.Ready)+" ready")
	for i, address := range v.Addresses {
		s.line(first(i, "Addresses"), address)
	}
	for i, offer := range v.Offers {
		s.line(first(i, "Offered as"), offer)
	}
}

// printLastRollout writes in short what a rollout is at, or how it ended.
func (s *session) printLastRollout(r *fleet.Rollout, key fleet.ServiceKey) {
	if r.Over() {
		text := fmt.Sprintf("from version %d to %d %s %s", r.From, r.To, s.state(r.State), stamp(r.Ended))
		if r.Why != "" && r.State != fleet.RolloutSucceeded {
			text += ": " + r.Why
		}
		s.line("Rollout", text)
		return
	}
	s.line("Rollout", join(", ", fmt.Sprintf("from version %d to %d %s%s", r.From, r.To, s.state(r.State), reasonOf(r)), stepOf(r)))
	if r.Why != "" {
		s.line("", r.Why)
	}
	s.line("", "more: muster rollout "+key.String())
}

// line writes one named fact.
func (s *session) line(name, value string) {
	s.printf("%-11s %s\n", name, value)
}

func first(i int, name string) string {
	if i == 0 {
		return name
	}
	return ""
}
