package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

// prunedAtOnce are the hosts that are asked at the same time.
const prunedAtOnce = 8

func (p *program) pruneCommand() *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "remove images from hosts that no kept version needs",
		Description: `Shows what can go, and removes it once you say so. What a kept version of any
service needs stays, so that a rollback needs no registry; and so does every
image that Muster didn't fetch.

Examples:
   muster prune --dry-run
   muster prune --host web1 --host web2 --yes`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "only on `HOST`; several times for several"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would go, remove nothing"},
			yesFlag(),
		},
		Action:       p.with(0, 0, prune),
		BashComplete: p.completePrune,
	}
}

// prunedHost is what there is to remove on a host, or was removed.
type prunedHost struct {
	Host string `json:"host"`
	client.Pruned
}

func prune(ctx context.Context, s *session, _ []string) error {
	dry, yes := s.flags.Bool("dry-run"), s.flags.Bool("yes")
	if !dry && !s.mayAgree() {
		return unasked("remove images, or --dry-run to see which")
	}
	hosts, err := s.hostsToPrune(ctx)
	switch {
	case err != nil:
		return err
	case len(hosts) == 0 && !s.json:
		s.printf("no host is up\n")
		return nil
	}
	if !yes || dry {
		found, err := s.pruneHosts(ctx, hosts, true)
		if err := errors.Join(err, s.printPruned(found, "would be removed", true)); err != nil || dry || !removable(found) {
			return err
		}
		if err := s.agree("Remove them?", ""); err != nil {
			return err
		}
	}
	removed, err := s.pruneHosts(ctx, hosts, false)
	return errors.Join(err, s.printPruned(removed, "removed", yes))
}

// hostsToPrune are those that were named, or else all that are up.
func (s *session) hostsToPrune(ctx context.Context) ([]string, error) {
	var hosts []string
	for _, name := range s.flags.StringSlice("host") {
		hosts = append(hosts, hostID(name))
	}
	if len(hosts) > 0 {
		return hosts, nil
	}
	list, err := s.hub.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	for _, view := range list.Items {
		if view.Status.State == fleet.HostUp {
			hosts = append(hosts, view.ID)
		} else {
			s.note("%s is left out: it is %s", view.ID, view.Status.State)
		}
	}
	return hosts, nil
}

// pruneHosts asks the hosts side by side. What some answered is there when others
// fail.
func (s *session) pruneHosts(ctx context.Context, hosts []string, dry bool) ([]prunedHost, error) {
	answers := make([]*prunedHost, len(hosts))
	problems := make([]error, len(hosts))
	var group errgroup.Group
	group.SetLimit(prunedAtOnce)
	for i, host := range hosts {
		group.Go(func() error {
			pruned, err := s.hub.Prune(ctx, host, dry)
			if problems[i] = err; err == nil {
				answers[i] = &prunedHost{host, pruned}
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	answered := []prunedHost{}
	for _, answer := range answers {
		if answer != nil {
			answered = append(answered, *answer)
		}
	}
	return answered, errors.Join(problems...)
}

func removable(hosts []prunedHost) bool {
	return slices.ContainsFunc(hosts, func(h prunedHost) bool { return len(h.Images) > 0 })
}

// printPruned writes the images of all hosts, each or only how many there are, and
// what is with them.
func (s *session) printPruned(hosts []prunedHost, what string, each bool) error {
	switch {
	case s.json:
		return s.printJSON(map[string]any{"items": hosts})
	case len(hosts) == 0: // nobody has said anything
		return nil
	}
	var rows [][]string
	bytes := int64(0)
	for _, h := range hosts {
		bytes += h.Bytes
		for _, image := range h.Images {
			rows = append(rows, []string{h.Host, cmp.Or(strings.Join(image.Names, " "), image.ID), size64(image.Bytes)})
		}
		if h.Problem != "" {
			s.note("%s: %s", h.Host, h.Problem)
		}
	}
	if len(rows) == 0 {
		s.printf("nothing to remove\n")
		return nil
	}
	if each {
		s.printTable([]column{{title: "host", width: 24}, {title: "image", width: 60}, {title: "size", right: true}}, rows)
		s.printf("\n")
	}
	s.printf("%s %s, %s at most\n", images(len(rows)), what, size64(bytes))
	return nil
}

func images(count int) string {
	if count == 1 {
		return "1 image"
	}
	return strconv.Itoa(count) + " images"
}
