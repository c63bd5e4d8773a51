package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/hub/client"
	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) hostCommand() *cli.Command {
	return &cli.Command{
		Name:      "host",
		Usage:     "show one host, or say what it is used for",
		ArgsUsage: "HOST",
		Description: `Examples:
   muster host web1
   muster host drain web1 --wait    move its instances away, before an upgrade
   muster host maintenance web1 --for 2h --reason "disk swap"
   muster host activate web1        let it have instances again
   muster host fail web1            it is lost and will not come back
   muster host revoke web1          it isn't trusted any more
   muster host fail web1 --data-lost    nor will the volumes on it
   muster host rm web1 --wait       take it out of the fleet for good`,
		Action:       p.with(1, 1, showHost),
		BashComplete: p.completeHosts,
		Subcommands: []*cli.Command{
			p.hostAction(client.HostDrain, "move a host's instances away and give it none", waitFlags()),
			p.hostMaintenance(),
			p.hostAction(client.HostActivate, "let a host have instances again", nil),
			p.hostFail(),
			p.hostRemove(),
			p.hostRevoke(),
		},
	}
}

// hostID is that of a host, who may also be named as events name it: host:web1.
func hostID(name string) string { return strings.TrimPrefix(name, "host:") }

func (p *program) hostAction(action client.HostAction, about string, flags []cli.Flag) *cli.Command {
	return &cli.Command{
		Name: string(action), Usage: about, ArgsUsage: "HOST", Flags: flags,
		BashComplete: p.completeHosts,
		Action: p.with(1, 1, func(ctx context.Context, s *session, args []string) error {
			id := hostID(args[0])
			result, err := s.hub.HostDo(ctx, id, action, s.write())
			if err != nil {
				return err
			}
			return s.done(ctx, result, hostEmpty(id))
		}),
	}
}

func (p *program) hostFail() *cli.Command {
	return &cli.Command{
		Name: "fail", Usage: "declare a lost host dead: what it ran is placed elsewhere", ArgsUsage: "HOST",
		Description: `What has its data on the host waits for it, until you say that the data is gone
too.`,
		Flags: []cli.Flag{&cli.BoolFlag{
			Name: "data-lost", Usage: "its volumes are gone for good: what needs them starts elsewhere with empty ones",
		}},
		BashComplete: p.completeHosts,
		Action: p.with(1, 1, func(ctx context.Context, s *session, args []string) error {
			id := hostID(args[0])
			result, err := s.hub.FailHost(ctx, id, s.flags.Bool("data-lost"), s.write())
			if err != nil {
				return err
			}
			return s.printResult(result)
		}),
	}
}

func (p *program) hostRevoke() *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "let nobody in any more with a host's key, from now on, and cut it off", ArgsUsage: "HOST",
		Description: `For a host that isn't trusted any more: its agent isn't asked, and what it ran is
placed elsewhere as for any host that is lost. Its containers and balancers go on
until somebody ends them there.

Examples:
   muster host revoke web1
   muster host rm web1 --force        then take it out of the fleet
   muster token create --host web1    or let it join anew, from a clean machine`,
		BashComplete: p.completeHosts,
		Action: p.with(1, 1, func(ctx context.Context, s *session, args []string) error {
			id := hostID(args[0])
			if err := s.hub.RevokeHost(ctx, id, s.write()); err != nil {
				return err
			}
			if s.json {
				return s.printJSON(map[string]string{"revoked": id})
			}
			s.printf("the key of %s opens nothing any more\n", id)
			return nil
		}),
	}
}

func showHost(ctx context.Context, s *session, args []string) error {
	id := hostID(args[0])
	view, err := s.hub.Host(ctx, id)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(view)
	}
	list, err := s.hub.Instances(ctx, "", id)
	if err != nil {
		return err
	}
	events, err := s.hub.Events(ctx, client.EventFilter{Host: id, Limit: recentEvents})
	if err != nil {
		return err
	}
	s.printHost(view)
	s.printf("\n")
	s.printInstances(list.Items, true)
	s.printf("\nLatest events:\n")
	s.printEvents(events.Items)
	return nil
}

func (s *session) printHost(v fleet.HostView) {
	f := v.Facts
	s.line("Host", v.ID)
	s.line("State", s.state(liveness(v))+" since "+stamp(v.Status.Since))
	s.line("Use", s.state(use(v)))
	if m := v.Maintenance; m != nil {
		s.line("Maintenance", maintenance(m))
	}
	s.line("Machine", join(", ", f.Distribution, f.Architecture, strconv.Itoa(f.CPUs)+" CPUs", size64(f.Memory)))
	s.line("Address", dash(f.Advertise))
	s.line("Engine", engine(v))
	s.line("Agent", dash(f.AgentVersion))
	for _, why := range v.Reasons {
		s.line(waits(v), why)
	}
	for i, key := range v.Stopped {
		s.line(first(i, "Stopped"), key.String())
	}
	s.line("Reserved", fmt.Sprintf("%g CPUs, %s memory", v.Reserved.CPUReservation, size64(v.Reserved.MemoryReservation)))
	var labels []string
	for key, value := range f.Labels {
		labels = append(labels, key+"="+value)
	}
	slices.Sort(labels)
	for i, label := range labels {
		s.line(first(i, "Labels"), label)
	}
	for i, b := range f.Balancers {
		s.line(first(i, "Balancers"), join(" ", b.Name, "("+b.Driver+")", b.Address))
	}
	for i, u := range v.Unclaimed {
		s.line(first(i, "Unclaimed"), "container "+u.Container+" of "+u.Service.String())
	}
}

// use is what a host is for now.
func use(v fleet.HostView) string {
	switch {
	case v.Leaving == nil && v.Maintenance != nil && v.Availability != fleet.AvailabilityMaintenance:
		return fleet.AvailabilityMaintenance + ", " + v.Availability
	case v.Leaving == nil:
		return v.Availability
	case v.Leaving.Force:
		return "leaving (dead)"
	}
	return "leaving (" + v.Leaving.Policy + ")"
}

// waits is what comes before a host's reasons.
func waits(v fleet.HostView) string {
	if v.Leaving != nil {
		return "Waits for"
	}
	return "Stays"
}

// join joins what is not empty.
func join(between string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), between)
}
