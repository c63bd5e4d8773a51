package simtest

var mutants = []mutant{
	{"the generation is ignored", "went back", 5, []edit{
		{"agent/brain/accept.go", "if env.Generation > current.Generation {", "if env.Generation != current.Generation {"},
	}},
	{"the barrier is skipped", "is stopped while the balancer", 2, []edit{
		{"hub/turn/lost.go", "if t.s.opts.WithoutBarrier {", "if !t.s.opts.WithoutBarrier {"},
	}},
	{"the epoch is ignored", "went back", 1, []edit{
		{"agent/brain/accept.go", "if env.Epoch > current.Epoch {", "if env.Epoch != current.Epoch {"},
	}},
	{"the sum is not compared", "without an order", 4, []edit{
		{"shared/wire/envelope.go", "if got := Sum(env.Body); got != env.Sum {", "if got := Sum(env.Body); got == \"\" {"},
	}},
	{"what drains is asked to stop", "without an order", 2, []edit{
		{"hub/turn/desired.go", "if in.Goal == fleet.GoalStop {", "if in.Goal != fleet.GoalRun {"},
	}},
	{"what desired lacks is stopped", "without an order", 0, []edit{
		{"agent/brain/accept.go", "\ts.unmatched = true\n}", `	for id := range s.instances {
		if s.assigned[id] == nil {
			s.assigned[id] = &fleet.Assignment{ID: id, Goal: fleet.GoalStop, Cause: "mutant"}
			s.accepted.desired.Instances = append(s.accepted.desired.Instances, *s.assigned[id])
		}
	}
	s.unmatched = true
}`},
	}},
	{"connections don't keep a drain waiting", "exchanges with it", 11, []edit{
		{"agent/sequence/drain.go", "return late || t.connections(key) == 0", "return late || t.connections(key) >= 0"},
	}},
	{"readiness is lost with the host", "isn't ready any more", 2, []edit{
		{"hub/turn/hosts.go", "\tl.State, l.Since = fleet.HostLost, t.now\n", `	l.State, l.Since = fleet.HostLost, t.now
	for _, in := range t.residents(host) {
		t.instances.edit(in.ID).Ready = false
	}
`},
	}},
	{"an agent's restart forgets who is ready", "isn't ready any more", 30, []edit{
		{"agent/brain/state.go", "rec.ReadyRun, now, true", "rec.ReadyRun, now, false"},
		{"agent/brain/report.go", "s.report.open = s.listed &&", "s.report.open = true || s.listed &&"},
	}},
	{"traffic comes before readiness", "which no agent called ready", 18, []edit{
		{"hub/turn/reported.go", "ready := a.Ready &&", "ready := len(a.Ports) > 0 &&"},
	}},
	{"a released port is given away", "which was released", 2, []edit{
		{"hub/turn/reported.go", "\tt.holdPorts(in)\n", ""},
		{"agent/brain/ports.go", "if now.Before(until) {", "if now.Before(until) && now.After(until) {"},
	}},
	{"data is placed anew", "has its data on", 22, []edit{
		{"hub/turn/home.go", "return home.Hosts[slot]", `return ""`},
	}},
	{"what is accepted counts before it is saved", "isn't on its disk", 1, []edit{
		{"agent/brain/accept.go", "\t\ts.incoming.desired = next\n", "\t\ts.incoming.desired = next\n\t\ts.lineage = next.envelope.Lineage\n\t\ts.use(next)\n"},
	}},
	{"ports are used before they are saved", "which aren't on its disk", 122, []edit{
		{"agent/brain/plan.go", " || s.loose(inst) ||", " ||"},
	}},
	{"a pool is emptied by reports", "loses its last endpoint", 16, []edit{
		{"hub/balance/balance.go", "if lost && (ready == 0", "if lost && (ready < 0"},
	}},
	{"many lost hosts are replaced", "hosts are silent", 30, []edit{
		{"hub/turn/tick.go", "held := float64(lost) > max(1,", "held := float64(lost) > max(1e9,"},
	}},
	{"the balancers are no witness", "though the check", 10, []edit{
		{"hub/turn/lost.go", "return t.witness(s, in, l)", `return true, ""`},
	}},
	{"the hub's own look makes a balancer unreachable", "as unreachable", 30, []edit{
		{"hub/turn/reach.go", " && s.Agent.lasts(t.s.opts, t.now)", ""},
	}},
	{"a pool that the index lacks is removed", "which nobody removed", 0, []edit{
		{"agent/brain/pools.go", "if p.pool.Removed && !indexed[service] {", "if p.raw != nil && !indexed[service] {"},
		{"agent/sequence/goal.go", "pool.Removed && want != nil", "want != nil"},
	}},
	{"what failed isn't tried again", "has not converged", 5, []edit{
		{"agent/brain/backoff.go", "now.Add(wait)", "now.Add(1000 * time.Hour)"},
	}},
	{"a host that is behind isn't sent its state again", "has not converged", 11, []edit{
		{"hub/turn/hosts.go", "\t\tt.republish(host)\n", ""},
	}},
	{"a repeated order has another effect", "was answered by", 10, []edit{
		{"hub/turn/commands.go", `if !c.DryRun && c.ID != "" {`, `if !c.DryRun && c.ID == "" {`},
	}},
	{"an end has no cause", "has the cause", 1, []edit{
		{"hub/turn/plan.go", "subjectInstance(in.ID), t.causeOf(s, in), about", `subjectInstance(in.ID), "", about`},
	}},
	{"a service in trouble stops the others", "has not converged", 5, []edit{
		{"hub/turn/plan.go", "\t\t\tplanned[key] = true\n\t\t}", "\t\t\tplanned[key] = true\n\t\t\tif len(reasons) > 0 {\n\t\t\t\tbreak\n\t\t\t}\n\t\t}"},
	}},
	{"another fleet's container is taken for ours", "its own", 1, []edit{
		{"agent/brain/observe.go", `return s.lineage != "" && c.Labels[LabelLineage] == s.lineage &&`, `return s.lineage != "" &&`},
	}},
	{"a restored hub tells its hosts what the backup says", "is made again", 39, []edit{
		{"hub/turn/restored.go", "return h != nil && h.Settled < t.s.Restored", "return h != nil && h.Settled > t.s.Restored"},
	}},
	{"what changed since the backup isn't frozen", "nobody has said so", 54, []edit{
		{"hub/turn/restored.go", "\t\t\tt.freezeChanged(key)\n", "\t\t\tt.services.edit(key).Settled = t.s.Restored\n"},
	}},
	{"a stopped service is filled up again", "its service is stopped there", 0, []edit{
		{"hub/turn/stopped.go", "\tcase s.Stopped:\n\t\treturn 0\n", ""},
	}},
	{"services don't wait for those that they depend on", "comes before db is healthy", 0, []edit{
		{"hub/turn/depends.go", "\t\tlacks = t.unmet(s)\n\t}\n\treturn t.waitReasons", "\t}\n\treturn t.waitReasons"},
	}},
	{"a one-shot service's run counts as soon as it has begun", "comes before once is completed", 0, []edit{
		{"hub/turn/oneshot.go", "case s.Run.Completed(), d.Condition", "case s.Run != nil, d.Condition"},
	}},
	{"placement doesn't know where a service is stopped", "its service is stopped there", 0, []edit{
		{"hub/turn/place.go", "h.Barred = s.stoppedThere(h.ID)", "_ = s.stoppedThere(h.ID)"},
	}},
	{"a host in maintenance gets something", "comes to a host in maintenance", 5, []edit{
		{"hub/turn/crowd.go", "case h.Maintenance != nil:", "case h.Maintenance != nil && h.Frozen:"},
	}},
	{"what a host in maintenance runs is given up", "while its host is in maintenance", 1, []edit{
		{"hub/turn/lost.go", "case h.Maintenance != nil && !h.Failed:", "case h.Maintenance != nil && h.Frozen:"},
	}},
	{"services are rebalanced by themselves", "nobody asked for it", 1, []edit{
		{"hub/turn/rebalance.go", "\tfor s.Rebalance != nil {\n", `	if moves, _, _ := t.betterPlaces([]fleet.ServiceKey{s.Asked.Key}); len(moves) > 0 {
		s = t.services.edit(s.Asked.Key)
		s.Rebalance = &Rebalance{Moves: []Moving{{Instance: moves[0].Instance, To: moves[0].To}}, Generation: s.Generation}
	}
	for s.Rebalance != nil {
`},
	}},
	{"an instance leaves before the one that came for it serves", "are ready besides", 24, []edit{
		{"hub/turn/rebalance.go", "\t\tnext.Moves[0].New = born[len(born)-1]\n", "\t\tnext.Moves[0].New = born[len(born)-1]\n\t\tt.leave(s, old, \"\")\n"},
	}},
	{"what waits for a person is given up", "waits for a person", 28, []edit{
		{"hub/turn/lost.go", "case s.Asked.Reschedule == fleet.RescheduleNever:", "case s.Asked.Reschedule == fleet.RescheduleNever && h.Frozen:"},
	}},
	{"a host gets more than it may have", "more than", 21, []edit{
		{"hub/placement/placement.go", "if need.MostPerHost > 0 &&", "if need.MostPerHost > 9 &&"},
	}},
}
