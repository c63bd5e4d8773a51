package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// auditPause is between looks at the audit trail.
const auditPause = 2 * time.Second

func (p *program) auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "show who asked for what, from where, and what became of it",
		Description: `Examples:
   muster audit --who ann
   muster audit --subject services/shop/web --result refused
   muster audit --follow -o json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "who", Usage: "only `NAME`'s, with its API tokens'"},
			&cli.StringFlag{Name: "do", Usage: "only `WHAT`, like restart or login"},
			&cli.StringFlag{Name: "subject", Usage: "only about `SUBJECT` and what is below it, like hosts/web1"},
			&cli.StringFlag{Name: "result", Usage: "only `RESULT`: done, refused or failed"},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Value: 50, Usage: "the newest `N`"},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "then go on with what comes from now on"},
		},
		Action: p.with(0, 0, showAudit),
		BashComplete: func(c *cli.Context) {
			if c.IsSet("result") {
				for _, word := range []string{fleet.AuditDone, fleet.AuditRefused, fleet.AuditFailed} {
					_, _ = p.stdout.Write([]byte(word + "\n")) // a shell that has gone needs no words
				}
			}
		},
	}
}

func showAudit(ctx context.Context, s *session, _ []string) error {
	f := client.AuditFilter{
		Who: s.flags.String("who"), Do: s.flags.String("do"), Subject: s.flags.String("subject"),
		Result: s.flags.String("result"), Limit: s.flags.Int("limit"),
	}
	if f.Limit < 1 || f.Limit > maxEvents {
		return usage("--limit must be from 1 to %d", maxEvents)
	}
	if f.Result != "" && f.Result != fleet.AuditDone && f.Result != fleet.AuditRefused && f.Result != fleet.AuditFailed {
		return usage("there is no result %q", f.Result).hint("there are done, refused and failed")
	}
	list, err := s.hub.Audit(ctx, f)
	if err != nil {
		return err
	}
	follow := s.flags.Bool("follow")
	switch {
	case s.json && !follow:
		return s.printJSON(list)
	case len(list.Items) == 0 && !follow:
		s.printf("nothing was asked for yet that this shows\n")
		return nil
	}
	if err := s.printAudit(list.Items); err != nil || !follow {
		return err
	}
	return s.followAudit(ctx, f, list.Items)
}

// followAudit goes on until it is interrupted, which is no error.
func (s *session) followAudit(ctx context.Context, f client.AuditFilter, shown []fleet.AuditEntry) error {
	last := uint64(0)
	if len(shown) > 0 {
		last = shown[0].Number
	}
	f.Limit = maxEvents
	ticker := time.NewTicker(auditPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		list, err := s.hub.Audit(ctx, f)
		switch code := fleet.CodeOf(err); {
		case ctx.Err() != nil:
			return nil
		case code == fleet.CodeUnavailable:
			s.note("%v; trying again", err)
			continue
		case err != nil:
			return err
		}
		fresh := slices.DeleteFunc(list.Items, func(e fleet.AuditEntry) bool { return e.Number <= last })
		if len(fresh) == 0 {
			continue
		}
		last = fresh[0].Number
		if err := s.printAudit(fresh); err != nil {
			return err
		}
	}
}

// printAudit writes entries, the oldest first: as a table, or one JSON object each.
func (s *session) printAudit(entries []fleet.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	entries = slices.Clone(entries)
	slices.Reverse(entries)
	var rows [][]string
	for _, e := range entries {
		if s.json {
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			s.printf("%s\n", line)
			continue
		}
		rows = append(rows, []string{stamp(e.Time), dash(e.Who), dash(join(" ", e.Via, e.From)), e.Do, dash(e.Subject), e.Result, dash(e.Message)})
	}
	if !s.json {
		s.printTable([]column{
			{title: "time"}, {title: "who", width: 24}, {title: "from", width: 24}, {title: "what"}, {title: "about", width: 40}, {title: "result"},
			{title: "message", width: 60, prose: true},
		}, rows)
	}
	return nil
}
