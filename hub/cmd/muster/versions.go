package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) versionsCommand() *cli.Command {
	return &cli.Command{
		Name:      "versions",
		Usage:     "list the kept versions of a service, or show one in full",
		ArgsUsage: "SERVICE [VERSION]",
		Description: `Whatever changes what a service runs makes a new version of it; another count
doesn't. CHANGED says how each differs from the one before it; where a version
runs, INSTANCES says how often.

Examples:
   muster versions rank
   muster versions rank 3`,
		Action:       p.with(1, 2, showVersions),
		BashComplete: p.completeVersions,
	}
}

func showVersions(ctx context.Context, s *session, args []string) error {
	if len(args) == 2 {
		return showKeptVersion(ctx, s, args)
	}
	key, err := s.serviceKey(ctx, args[0])
	if err != nil {
		return err
	}
	list, err := s.hub.Versions(ctx, key)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no version of %s is kept\n", key)
		return nil
	}
	var rows [][]string
	for _, v := range list.Items {
		current, running := "", "-"
		if v.Current {
			current = "current"
		}
		if v.Instances > 0 {
			running = strconv.Itoa(v.Instances)
		}
		rows = append(rows, []string{strconv.Itoa(v.Number), current, stamp(v.Created), dash(v.Actor), v.Image, running, changed(v.Fields)})
	}
	s.printTable([]column{
		{title: "version", right: true}, {title: ""}, {title: "created"}, {title: "by", width: 16}, {title: "image", width: 26},
		{title: "instances", right: true}, {title: "changed", width: 30, prose: true},
	}, rows)
	return nil
}

// changed names fields without what they all begin with.
func changed(fields []fleet.FieldChange) string {
	var names []string
	for _, f := range fields {
		names = append(names, strings.TrimPrefix(f.Path, specPrefix))
	}
	return dash(strings.Join(names, ", "))
}

func showKeptVersion(ctx context.Context, s *session, args []string) error {
	number, err := versionNumber(args[1])
	if err != nil {
		return err
	}
	key, err := s.serviceKey(ctx, args[0])
	if err != nil {
		return err
	}
	v, err := s.hub.ServiceVersion(ctx, key, number)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(v)
	}
	name := fmt.Sprintf("%d of %s", v.Number, key)
	if v.Current {
		name += " (current)"
	}
	s.line("Version", name)
	s.line("Created", join(" by ", stamp(v.Created), v.Actor))
	s.line("Cause", dash(v.Cause))
	s.line("Image", v.Image)
	if v.Pin != "" {
		s.line("", "pinned as "+v.Pin)
	}
	s.line("Runs", instances(v.Instances))
	for i, f := range v.Fields {
		s.line(first(i, "Changed"), difference(f))
	}
	return s.printSpec(v.Spec)
}

// printSpec writes all that a version states.
func (s *session) printSpec(spec *fleet.Spec) error {
	if spec == nil {
		return nil
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(plain); err != nil {
		return err
	}
	s.printf("\n%s", &text)
	return nil
}

// versionNumber reads the number of a version, as it is listed.
func versionNumber(arg string) (int, error) {
	number, err := strconv.Atoi(arg)
	if err != nil || number < 1 {
		return 0, usage("%q is not the number of a version", arg).hint("see muster versions SERVICE")
	}
	return number, nil
}
