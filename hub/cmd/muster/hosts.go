package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) hostsCommand() *cli.Command {
	return &cli.Command{
		Name:   "hosts",
		Usage:  "list hosts",
		Action: p.with(0, 0, listHosts),
	}
}

func listHosts(ctx context.Context, s *session, _ []string) error {
	list, err := s.hub.Hosts(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no hosts yet: muster token create prints the line that lets one join\n")
		return nil
	}
	var rows [][]string
	for _, v := range list.Items {
		rows = append(rows, []string{
			v.ID, s.state(liveness(v)), s.state(use(v)), ratio(v.Ready, v.Instances),
			dash(v.Facts.Advertise), strconv.Itoa(v.Facts.CPUs), size64(v.Facts.Memory), engineWord(v),
		})
	}
	s.printTable([]column{
		{title: "host", width: 24}, {title: "state"}, {title: "use"}, {title: "ready"}, {title: "address", width: 20},
		{title: "cpus", right: true}, {title: "memory", right: true}, {title: "engine", width: 24},
	}, rows)
	return nil
}

// liveness is a host's state in one word.
func liveness(v fleet.HostView) string {
	switch {
	case v.Failed:
		return "failed"
	case v.Frozen:
		return v.Status.State + ", frozen"
	default:
		return v.Status.State
	}
}

func engine(v fleet.HostView) string {
	if !v.Engine.Up && v.Engine.Problem != "" {
		return "down: " + v.Engine.Problem
	}
	return engineWord(v)
}

func engineWord(v fleet.HostView) string {
	if !v.Engine.Up {
		return "down"
	}
	return dash(v.Facts.EngineVersion)
}

// size64 writes bytes in the unit that people use for memory.
func size64(bytes int64) string {
	switch {
	case bytes == 0:
		return "-"
	case bytes < 1<<30:
		return strconv.FormatInt(bytes>>20, 10) + " MiB"
	default:
		return strings.TrimSuffix(strconv.FormatFloat(float64(bytes)/(1<<30), 'f', 1, 64), ".0") + " GiB"
	}
}
