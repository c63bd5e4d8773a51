package main

import (
	"strconv"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/musterhq/muster/shared/fleet"
)

// printPlan writes what an apply changes, service by service.
// Asked has the services of the document as far as they are known here.
func (s *session) printPlan(result fleet.Result, asked map[fleet.ServiceKey]fleet.Service, dry bool) {
	plan := result.Plan
	if plan == nil {
		s.printf("%s\n", result.Message)
		return
	}
	for _, warning := range plan.Warnings {
		s.note("warning: %s", warning)
	}
	changes, width := len(plan.Secrets), 0
	for _, change := range plan.Services {
		width = max(width, len(change.Service.String()))
		if change.Action != fleet.ActionUnchanged {
			changes++
		}
	}
	for _, change := range plan.Services {
		s.printChange(change, width, asked)
	}
	for _, change := range plan.Secrets {
		sign, color := "+", text.FgGreen
		if change.Action == fleet.ActionChange {
			sign, color = "~", text.FgYellow
		}
		s.printf("%s secret %s  (revision %d)\n", s.mark(sign, color), change.Secret, change.Revision)
	}
	s.printMoves(plan)
	switch {
	case changes == 0:
		s.printf("nothing changes\n")
	case dry:
		s.printf("dry run: nothing was changed\n")
	default:
		s.printf("%s\n", result.Message)
	}
}

func (s *session) printChange(change fleet.ServiceChange, width int, asked map[fleet.ServiceKey]fleet.Service) {
	name := text.Pad(change.Service.String(), width, ' ')
	switch change.Action {
	case fleet.ActionAdd:
		s.printf("%s %s  %s\n", s.mark("+", text.FgGreen), name, size(asked[change.Service]))
		return
	case fleet.ActionRemove:
		s.printf("%s %s\n", s.mark("-", text.FgRed), change.Service)
		return
	case fleet.ActionUnchanged:
		s.printf("= %s  unchanged\n", name)
		return
	}
	s.printf("%s %s", s.mark("~", text.FgYellow), name)
	if change.Version > 0 && change.Replaces > 0 {
		s.printf("  (version %d; replaces %s)", change.Version, instances(change.Replaces))
	}
	s.printf("\n")
	for _, f := range change.Fields {
		s.printf("    %s\n", difference(f))
	}
}

// printMoves writes what becomes of instances, and what wouldn't get there.
func (s *session) printMoves(plan *fleet.Plan) {
	if len(plan.Moves) > 0 {
		signs := map[string]string{
			fleet.MoveStart: s.mark("+", text.FgGreen), fleet.MoveStop: s.mark("-", text.FgRed),
			fleet.MoveMove: s.mark(">", text.FgYellow), fleet.MoveReplace: s.mark("~", text.FgYellow),
		}
		var rows [][]string
		for _, m := range plan.Moves {
			rows = append(rows, []string{signs[m.Action], m.Service.String(), dash(m.Instance), dash(m.From), dash(m.To), m.Why})
		}
		if len(plan.Services) > 0 {
			s.printf("\n")
		}
		s.printTable([]column{{}, {title: "service"}, {title: "instance"}, {title: "from", width: 20}, {title: "to", width: 20}, {title: "why", width: 60, prose: true}}, rows)
		if plan.Left > 0 {
			s.printf("and more that aren't listed here\n")
		}
		s.printf("\n")
	}
	for _, why := range plan.Held {
		s.note("held: %s", why)
	}
}

func (s *session) mark(sign string, color text.Color) string {
	if !s.colors {
		return sign
	}
	return color.Sprint(sign)
}

// size says how much of what a new service is.
func size(service fleet.Service) string {
	switch {
	case service.Spec.Image == "":
		return ""
	case service.Mode == fleet.ModeGlobal:
		return "(one instance of " + service.Spec.Image + " on every eligible host)"
	case service.Mode == fleet.ModeJob:
		return "(" + service.Spec.Image + ", run to its end)"
	default:
		return "(" + instances(service.Count) + " of " + service.Spec.Image + ")"
	}
}

func instances(count int) string {
	if count == 1 {
		return "1 instance"
	}
	return strconv.Itoa(count) + " instances"
}

func none(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
