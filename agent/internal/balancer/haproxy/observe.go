package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// errBusy says that HAProxy is there but can't be read at the moment, as
// while it reloads.
var errBusy = errors.New("haproxy is there but doesn't answer")

// observe reads everything that the sequence looks at. Only a HAProxy whose
// process is gone is seen as down.
func (b *Balancer) observe(ctx context.Context) (sequence.Observed, error) {
	procs, err := b.processes(ctx)
	if err != nil {
		if !b.gone(ctx) {
			return sequence.Observed{}, fmt.Errorf("%w: %w", errBusy, err)
		}
		return sequence.Observed{}, nil
	}
	current, alive := balancer.WorkerOf(procs.current)
	if !alive {
		return sequence.Observed{}, fmt.Errorf("%w: it has no worker", errBusy)
	}
	answer, err := b.runtime.ask(ctx, "show info;show servers state;get var "+lbconf.StructureVar+";show stat")
	if err != nil {
		return sequence.Observed{}, fmt.Errorf("%w: %w", errBusy, err)
	}
	if pid := line(answer, "Pid: "); pid != strconv.Itoa(procs.current) {
		return sequence.Observed{}, fmt.Errorf("%w: worker %s answered instead of %d", errBusy, pid, procs.current)
	}
	rows, err := statistics(answer)
	if err != nil {
		return sequence.Observed{}, err
	}
	state, _, _ := strings.Cut(answer, "# pxname,")
	servers, err := parseServers(state, rows)
	if err != nil {
		return sequence.Observed{}, err
	}
	b.known(procs.master)
	b.version = line(answer, "Version: ")
	seen := sequence.Observed{Up: true, Current: current, Servers: servers}
	_, value, _ := strings.Cut(line(answer, lbconf.StructureVar+": "), "value=<")
	seen.Structure = strings.TrimSuffix(value, ">")
	seen.Old = b.oldWorkers(ctx, procs)
	b.listening = listening(rows)
	b.workers = append([]sequence.Worker{current}, workersOf(seen.Old)...)
	b.ledger.take(current, rows, true)
	b.ledger.seen(b.workers)
	return seen, nil
}

// oldWorkers reads the workers that reloads have replaced: those that the
// master knows, and those that lived under a master that is gone.
func (b *Balancer) oldWorkers(ctx context.Context, procs processes) []sequence.OldWorker {
	var old []sequence.OldWorker
	for _, pid := range procs.old {
		worker, alive := balancer.WorkerOf(pid)
		if !alive {
			continue
		}
		out := sequence.OldWorker{Worker: worker}
		answer, err := b.master.ask(ctx, fmt.Sprintf("@!%d show stat", pid))
		if err == nil {
			if rows, err := statistics(answer); err == nil {
				out = readOld(worker, rows)
				b.ledger.take(worker, rows, false)
			}
		}
		old = append(old, out)
	}
	for _, worker := range b.workers {
		same, alive := balancer.WorkerOf(worker.PID)
		if alive && same == worker && worker.PID != procs.current && !slices.Contains(procs.old, worker.PID) {
			old = append(old, sequence.OldWorker{Worker: worker})
		}
	}
	return old
}

func readOld(worker sequence.Worker, rows []row) sequence.OldWorker {
	out := sequence.OldWorker{
		Worker:   worker,
		Readable: true,
		Sessions: map[fleet.ServiceKey]int{},
		Servers:  map[sequence.ServerKey]int{},
	}
	shared, http := 0, map[fleet.ServiceKey]bool{}
	for _, r := range rows {
		kind, service, _, ok := lbconf.ParseName(r.text("pxname"))
		if ok && kind == 'f' && r.text("svname") == "FRONTEND" {
			out.Sessions[service] += r.number("scur")
		}
		if _, ok := lbconf.ParseListener(r.text("pxname")); ok && r.text("svname") == "FRONTEND" {
			shared += r.number("scur")
		}
		if key, ok := serverOf(r.text("pxname"), r.text("svname")); ok {
			out.Servers[key] += r.number("scur") + r.number("qcur")
			http[key.Service] = http[key.Service] || r.text("mode") != "tcp"
		}
	}
	for service := range http { // any of them may be asked for next
		if http[service] {
			out.Sessions[service] += shared
		}
	}
	return out
}

// listening returns the ports that a worker listens on.
func listening(rows []row) map[int]bool {
	ports := map[int]bool{}
	for _, r := range rows {
		if kind, _, port, ok := lbconf.ParseName(r.text("pxname")); ok && kind == 'f' {
			ports[port] = true
		}
		if port, ok := lbconf.ParseListener(r.text("pxname")); ok {
			ports[port] = true
		}
	}
	return ports
}

func workersOf(old []sequence.OldWorker) []sequence.Worker {
	var workers []sequence.Worker
	for _, worker := range old {
		workers = append(workers, worker.Worker)
	}
	return workers
}

// line returns the rest of the line that begins with prefix, or "".
func line(text, prefix string) string {
	_, after, found := strings.Cut("\n"+text, "\n"+prefix)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(after, "\n")
	return value
}
