package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say why an instance is where it is, and why not elsewhere",
		ArgsUsage: "INSTANCE|SERVICE",
		Description: `Compares all hosts as it would be decided now. Of a service it says where one more
instance would go, or the one of a --slot that has none.

Examples:
   muster explain 2b-1
   muster explain shop/web
   muster explain shop/db --slot 2`,
		Flags:        []cli.Flag{&cli.IntFlag{Name: "slot", Usage: "of a service: the instance of slot `N`"}},
		BashComplete: p.completeExplained,
		Action:       p.with(1, 1, explain),
	}
}

func explain(ctx context.Context, s *session, args []string) error {
	e, err := s.explained(ctx, args[0])
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(e)
	}
	s.printExplanation(e)
	return nil
}

// explained looks for an instance, and then for a service, of that name.
func (s *session) explained(ctx context.Context, name string) (fleet.Explanation, error) {
	slot := s.flags.Int("slot")
	if !strings.Contains(name, "/") && slot == 0 {
		e, err := s.hub.ExplainInstance(ctx, name)
		if fleet.CodeOf(err) != fleet.CodeNotFound {
			return e, err
		}
	}
	key, err := s.serviceKey(ctx, name)
	if fleet.CodeOf(err) == fleet.CodeNotFound {
		return fleet.Explanation{}, fleet.NotFound("there is neither an instance nor a service %q", name).WithHint("see muster instances and muster services")
	}
	if err != nil {
		return fleet.Explanation{}, err
	}
	return s.hub.ExplainService(ctx, key, slot)
}

func (s *session) printExplanation(e fleet.Explanation) {
	s.line("Service", e.Service.String())
	if e.Instance != "" {
		s.line("Instance", e.Instance+" (slot "+strconv.Itoa(e.Slot)+", version "+strconv.Itoa(e.Version)+")")
		s.line("Host", e.Host)
		s.line("State", s.state(e.State))
		s.line("Cause", dash(e.Cause))
	}
	s.line("Answer", e.Verdict)
	for i, need := range e.Needs {
		s.line(first(i, "Needs"), need)
	}
	if e.Data != "" {
		s.line("Data", "on "+e.Data)
	}
	for i, pool := range e.Pools {
		s.line(first(i, "Balancers"), pool)
	}
	for i, why := range e.Reasons {
		s.line(first(i, "Waits for"), why)
	}
	s.printf("\n")
	columns := []column{{}, {title: "host", width: 24}}
	if len(e.Hosts) > 0 {
		for _, group := range e.Hosts[0].Groups {
			columns = append(columns, column{title: group.Label, width: 24})
		}
	}
	columns = append(columns, column{title: "of it", right: true}, column{title: "in all", right: true}, column{title: "capacity", right: true},
		column{title: "free", right: true}, column{title: "why not", width: 60, prose: true})
	var rows [][]string
	for _, h := range e.Hosts {
		rows = append(rows, choice(h))
	}
	s.printTable(columns, rows)
}

// choice is a host's row: what decides comes in the order in which it does.
func choice(h fleet.HostChoice) []string {
	mark := ""
	if h.Here {
		mark = "*"
	}
	row := []string{mark, h.Host}
	for _, group := range h.Groups {
		row = append(row, dash(group.Value)+" ("+strconv.Itoa(group.Siblings)+")")
	}
	return append(row, strconv.Itoa(h.Siblings), strconv.Itoa(h.Instances), strconv.FormatFloat(h.Capacity, 'g', 3, 64), size64(h.Free), h.Refusal)
}

func (p *program) completeExplained(c *cli.Context) {
	p.complete(c, serviceWords, func(ctx context.Context, s *session) []string {
		list, _ := s.hub.Instances(ctx, "", "")
		var words []string
		for _, view := range list.Items {
			words = append(words, view.ID)
		}
		return words
	})
}
