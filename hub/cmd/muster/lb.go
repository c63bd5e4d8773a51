package main

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/musterhq/muster/shared/fleet"
)

func (p *program) balancerCommand() *cli.Command {
	return &cli.Command{
		Name:  "lb",
		Usage: "list balancers, show what they send where",
		Description: `Examples:
   muster lb                       list the balancers
   muster lb show rank             where each balancer sends a service's traffic
   muster lb forget web1/haproxy   it is gone for good: stop waiting for it
   muster lb export --format nginx for a balancer that no agent drives`,
		Action: p.with(0, 0, listBalancers),
		Subcommands: []*cli.Command{
			{
				Name: "show", Usage: "show a service's pools, wanted beside actual", ArgsUsage: "SERVICE",
				Action: p.with(1, 1, showPools), BashComplete: p.completeServices,
			},
			{
				Name: "forget", Usage: "take a balancer that is gone for good out of the fleet", ArgsUsage: "HOST/NAME",
				Action: p.with(1, 1, forgetBalancer), BashComplete: p.completeBalancers,
			},
			p.exportCommand(),
		},
	}
}

func listBalancers(ctx context.Context, s *session, _ []string) error {
	list, err := s.hub.Balancers(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		s.printf("no balancers: start muster-agent with --haproxy or --nginx on a host (one that was forgotten comes back when its agent is started again)\n")
		return nil
	}
	var rows [][]string
	for _, v := range list.Items {
		state := "up"
		switch {
		case v.Silent:
			state = "silent"
		case !v.Up:
			state = "down"
		}
		rows = append(rows, []string{
			v.Key.String(), s.state(state), dash(v.Facts.Address), join(" ", v.Facts.Driver, v.Facts.Version), strconv.Itoa(v.Services), v.Problem,
		})
	}
	s.printTable([]column{
		{title: "balancer", width: 30}, {title: "state"}, {title: "address", width: 22}, {title: "driver", width: 30},
		{title: "services", right: true}, {title: "problem", width: 36, prose: true},
	}, rows)
	for _, v := range list.Items {
		if v.Promise != "" {
			s.printf("%s: %s\n", v.Key, v.Promise)
		}
	}
	return nil
}

func showPools(ctx context.Context, s *session, args []string) error {
	key, err := s.serviceKey(ctx, args[0])
	if err != nil {
		return err
	}
	list, err := s.hub.Pools(ctx, key)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(list)
	}
	if len(list.Items) == 0 {
		return s.explainNoPools(ctx, key)
	}
	for i, pool := range list.Items {
		if i > 0 {
			s.printf("\n")
		}
		s.printPool(pool)
	}
	return nil
}

func (s *session) explainNoPools(ctx context.Context, key fleet.ServiceKey) error {
	view, err := s.hub.Service(ctx, key)
	if err != nil {
		return err
	}
	if view.Service != nil && view.Service.Balancing != nil {
		s.printf("%s is on no balancer yet: see muster lb\n", key)
	} else {
		s.printf("%s is not offered on balancers: add ports or x-lb to it\n", key)
	}
	return nil
}

func (s *session) printPool(pool fleet.PoolView) {
	s.printf("%s  %s\n", pool.Balancer, strings.Join(pool.Listen, ", "))
	if pool.Applied == pool.Generation {
		s.printf("  generation %d, acknowledged\n", pool.Generation)
	} else {
		s.printf("  generation %d; %s still has to acknowledge it, it has %d\n", pool.Generation, pool.Balancer, pool.Applied)
	}
	if pool.Problem != "" {
		s.printf("  problem: %s\n", pool.Problem)
	}
	if len(pool.Endpoints) == 0 {
		s.printf("  no endpoints\n")
		return
	}
	var rows [][]string
	for _, e := range pool.Endpoints {
		actual, check, connections := "missing", "-", "-"
		if e.Actual != nil {
			actual, check, connections = e.Actual.State, e.Actual.Check, strconv.Itoa(e.Actual.Connections)
			if e.Actual.Drained {
				actual = "drained"
			}
		}
		rows = append(rows, []string{
			e.Instance, strconv.Itoa(e.Version), e.Host, servedAt(pool, e.Endpoint), strconv.Itoa(e.Weight), s.state(e.State), s.state(actual), s.state(check), connections,
		})
	}
	s.printTable([]column{
		{title: "instance"}, {title: "version", right: true}, {title: "host", width: 20}, {title: "address", width: 24},
		{title: "weight", right: true}, {title: "wanted"}, {title: "actual"}, {title: "check"}, {title: "connections", right: true},
	}, rows)
}

// servedAt is where an endpoint serves the pool's first route: an address and
// the host's port.
func servedAt(pool fleet.PoolView, e fleet.Endpoint) string {
	if len(pool.Listen) > 0 {
		_, target, _ := strings.Cut(pool.Listen[0], " -> ")
		if n, err := strconv.Atoi(target); err == nil && e.Ports[n] != 0 {
			return net.JoinHostPort(e.Address, strconv.Itoa(e.Ports[n]))
		}
	}
	return e.Address
}

func forgetBalancer(ctx context.Context, s *session, args []string) error {
	var key fleet.BalancerKey
	if err := key.UnmarshalText([]byte(args[0])); err != nil {
		return usage("%q is not of the form HOST/NAME", args[0]).hint("see muster lb")
	}
	result, err := s.hub.ForgetBalancer(ctx, key, s.write())
	if err != nil {
		return err
	}
	return s.printResult(result)
}
