package simtest

// rolloutMutants are bugs in how versions follow each other.
var rolloutMutants = []mutant{
	{"too few requests prove something", "requests of at least", 41, []edit{
		{"hub/rollout/judge.go", `return Verdict{Inconclusive, fmt.Sprintf("%d requests of at least`, `return Verdict{Passes, fmt.Sprintf("%d requests of at least`},
	}},
	{"a step isn't held", "held for", 17, []edit{
		{"hub/rollout/step.go", "held := now.Sub(r.Served) >= step.Hold.D()", "held := now.Sub(r.Served) >= step.Hold.D()/8"},
	}},
	{"nobody has to promote a step", "which a person is to promote", 9, []edit{
		{"hub/rollout/step.go", " && !step.Manual && !r.Spec.Manual:", ":"},
	}},
	{"the new version is watched for less", "watched for", 1, []edit{
		{"hub/rollout/step.go", "case now.Sub(r.Served) < monitor:", "case now.Sub(r.Served) < monitor/8:"},
	}},
	{"what waits for a person goes on", "waits for a person", 1, []edit{
		{"hub/rollout/step.go", `if r.PauseReason == fleet.PauseBalancer && o.Stale == "" ||`, `if o.Stale == "" ||`},
	}},
	{"what fails passes", "goes on after", 1006, []edit{
		{"hub/rollout/step.go", "case o.Verdict.Result == Fails:", `case o.Verdict.Result == "never":`},
	}},
	{"failed requests don't count", "a bad one, succeeds", 265, []edit{
		{"hub/rollout/judge.go", "best < v.Success &&", "best < 0 &&"},
		{"hub/rollout/judge.go", "if succeeds < v.Success &&", "if succeeds < 0 &&"},
	}},
	{"the old version doesn't stay whole", "leaves while its rollout is", 1, []edit{
		{"hub/rollout/step.go", "instances(r.Spec.Steps[r.Step], count), count, r.Weight", "instances(r.Spec.Steps[r.Step], count), count/2, r.Weight"},
	}},
	{"the way back begins with the old version's end", "leaves while its rollout is rolling-back", 65, []edit{
		{"hub/rollout/step.go", "w.Back, w.Beside, w.Old, w.Weight = true, r.Beside(), count, 0", "w.Back, w.Old, w.Weight = true, count, 0"},
	}},
	{"a preview gets traffic", "before its first step", 1, []edit{
		{"hub/rollout/share.go", "return 0, even", "return even, even"},
	}},
	{"weights are the wrong way round", "% of the traffic in version", 41, []edit{
		{"hub/rollout/share.go", "= off, n, w", "= off, w, n"},
	}},
	{"what nobody saw counts", "by a hub that runs for", 920, []edit{
		{"hub/turn/rollout.go", "if r.Since.Before(t.s.Started) && !r.Over() {", "if r.Since.Before(t.s.Started.Add(-1000*time.Hour)) && !r.Over() {"},
	}},
	{"going back is no new generation", "which isn't a new one", 1, []edit{
		{"hub/turn/rollout.go", "= asked, version, t.rev, nil", "= asked, version, s.Generation, nil"},
	}},
	{"a second rollout begins beside the first", "beside the one from", 1, []edit{
		{"hub/turn/rollout.go", "if from = r.From; from == s.Version {", "if r.From == s.Version {"},
	}},
	{"a version is written anew", "is another than it was", 1, []edit{
		{"hub/turn/apply.go", "if !kept {\n\t\tversion", "if !kept || kept {\n\t\tversion"},
	}},
	{"a pool is sent before the turn's end", "isn't committed", 17, []edit{
		{"hub/turn/pools.go", "t.made = append(t.made, key)", "t.sendPool(key, next)"},
	}},
	{"a judge that wasn't heard agrees", "hasn't agreed", 65, []edit{
		{"hub/turn/judges.go", "said.asked.Before(end):\n\t\t\tverdict = rollout.Verdict{Result: rollout.Held", "said.asked.Before(end):\n\t\t\tverdict = rollout.Verdict{Result: rollout.Passes"},
	}},
	{"a job that fails has done its work", "counts as done", 57, []edit{
		{"hub/turn/jobs.go", "case a.ExitCode != 0:", "case a.ExitCode > 1:"},
	}},
	{"nobody waits for jobs", "hasn't waited for", 1, []edit{
		{"hub/turn/jobs.go", "if verdict := t.ended(key, job); verdict.Result != rollout.Passes {", "if verdict := t.ended(key, job); verdict.Result == rollout.Fails {"},
	}},
	{"what is parked stops at once", "nobody has taken over", 1, []edit{
		{"agent/sequence/steps.go", "t.takes(server) && (server.State == StateDrain || t.relieved(server.Service)):", "t.takes(server):"},
	}},
	{"a rollout doesn't wait for that of a dependency", "goes on before", 91, []edit{
		{"hub/turn/depends_restart.go", "o.After = waits[0].String()", "_ = waits[0].String()"},
	}},
}
