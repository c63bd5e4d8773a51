package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// errBusy says that nginx is there but can't be asked at the moment.
var errBusy = errors.New("nginx is there but doesn't answer")

// statusTimeout bounds the wait for an answer of nginx's own.
const statusTimeout = 2 * time.Second

// generation are the workers of one start or reload. The sequence knows it by
// the one of them that was seen first.
type generation struct {
	id      sequence.Worker
	workers []sequence.Worker
	known   bool // what it was started with
	pools   []fleet.Pool
	down    []sequence.ServerKey
}

func (g *generation) has(worker sequence.Worker) bool { return slices.Contains(g.workers, worker) }

// status is what a worker says of itself.
type status struct {
	version   string
	pid       int
	structure string
}

// observe reads everything that the sequence looks at. Only a nginx whose
// master is gone is seen as down.
func (b *Balancer) observe(ctx context.Context) (sequence.Observed, error) {
	master, alive := b.master(ctx)
	if !alive {
		return sequence.Observed{}, nil
	}
	says, err := b.newest(ctx)
	if err != nil {
		return sequence.Observed{}, fmt.Errorf("%w: %w", errBusy, err)
	}
	if b.lead.PID == 0 { // the agent has just started
		b.follow(b.orphans())
	}
	b.lead, _ = balancer.WorkerOf(master)
	b.running = says.version
	b.group(master)
	if len(b.current.workers) == 0 {
		return sequence.Observed{}, fmt.Errorf("%w: it has no worker", errBusy)
	}
	seen := sequence.Observed{Up: true, Structure: says.structure, Current: b.current.id}
	seen.Servers = sequence.Servers(b.Memory.Filed, b.Memory.Down, b.checker.result)
	all := b.old
	if says.structure != b.Memory.Structure { // nobody knows whom its workers send to
		seen.Current = sequence.Worker{}
		all = append(slices.Clone(b.old), generation{id: b.current.id, workers: b.current.workers})
	} else {
		b.current.known, b.current.pools, b.current.down = true, b.Memory.Filed, b.Memory.Down
		if open, err := socketsOf(b.current.workers); err == nil {
			for i := range seen.Servers {
				seen.Servers[i].Connections = open.to(seen.Servers[i].Address)
			}
		}
	}
	for _, g := range all {
		seen.Old = append(seen.Old, oldWorker(g))
	}
	return seen, nil
}

// group sorts the workers into generations: a worker of former ones shuts down.
func (b *Balancer) group(master int) {
	b.old = slices.DeleteFunc(b.old, func(g generation) bool { return !slices.ContainsFunc(g.workers, isAlive) })
	var live, left []sequence.Worker
	for _, worker := range workersOf(master) {
		switch {
		case b.former(worker):
		case serving(worker):
			live = append(live, worker)
		default:
			left = append(left, worker)
		}
	}
	if len(left) > 0 {
		former := generation{id: left[0], workers: left}
		if !slices.ContainsFunc(left, func(w sequence.Worker) bool { return !b.current.has(w) }) {
			former.known, former.pools, former.down = b.current.known, b.current.pools, b.current.down
		}
		b.old = append(b.old, former)
	}
	if len(live) == 0 {
		return
	}
	if !slices.ContainsFunc(live, b.current.has) {
		b.current = generation{id: live[0]}
	} else if slices.Contains(left, b.current.id) { // it was seen in the middle of a reload by hand
		b.current.id = live[0]
	}
	b.current.workers = live
}

func isAlive(worker sequence.Worker) bool {
	now, alive := balancer.WorkerOf(worker.PID)
	return alive && now == worker
}

// oldWorker is a generation as the sequence looks at it: whom it may still send
// to, and what it has open.
func oldWorker(g generation) sequence.OldWorker {
	out := sequence.OldWorker{Worker: g.id}
	if !g.known {
		return out
	}
	open, err := socketsOf(g.workers)
	if err != nil {
		return out
	}
	out.Readable, out.Sessions, out.Servers = true, map[fleet.ServiceKey]int{}, map[sequence.ServerKey]int{}
	unknown := func(sequence.ServerKey, string) string { return fleet.CheckUnknown }
	for _, server := range sequence.Servers(g.pools, g.down, unknown) {
		if server.State == sequence.StateReady {
			out.Servers[server.ServerKey] = open.to(server.Address)
		}
	}
	for _, pool := range g.pools {
		for _, route := range pool.Routes {
			for _, port := range route.Listen {
				if !pool.Removed {
					out.Sessions[pool.Service] += open.at(port)
				}
			}
		}
	}
	return out
}

// newest asks until somebody answers who isn't about to end: a worker that shuts
// down may have taken the connection just before.
func (b *Balancer) newest(ctx context.Context) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	for {
		says, err := b.ask(ctx)
		worker, alive := balancer.WorkerOf(says.pid)
		if err != nil || alive && serving(worker) && !b.former(worker) {
			return says, err
		}
		if !balancer.Pause(ctx, shortPause) {
			return status{}, fmt.Errorf("ask nginx: only worker %d answers, which shuts down", says.pid)
		}
	}
}

// former says whether a worker is of a generation that a reload has replaced.
func (b *Balancer) former(worker sequence.Worker) bool {
	return slices.ContainsFunc(b.old, func(g generation) bool { return g.has(worker) })
}

// ask asks a worker of the newest generation which file it runs.
func (b *Balancer) ask(ctx context.Context) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", b.Path(lbconf.NginxStatusSocket))
	if err != nil {
		return status{}, fmt.Errorf("ask nginx: %w", err)
	}
	defer connection.Close()
	deadline, _ := ctx.Deadline()
	if err := connection.SetDeadline(deadline); err != nil {
		return status{}, fmt.Errorf("ask nginx: %w", err)
	}
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.0\r\n\r\n", lbconf.NginxStatus); err != nil {
		return status{}, fmt.Errorf("ask nginx: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(connection, 4096))
	if err != nil {
		return status{}, fmt.Errorf("ask nginx: %w", err)
	}
	return parseStatus(string(answer))
}

// parseStatus reads "<version> <pid> <structure>" from an answer over HTTP.
func parseStatus(answer string) (status, error) {
	_, body, found := strings.Cut(answer, "\r\n\r\n")
	words := strings.Fields(body)
	if !found || len(words) != 3 || !strings.Contains(answer, " 200 ") {
		return status{}, fmt.Errorf("ask nginx: it answers %.80q", answer)
	}
	pid, err := strconv.Atoi(words[1])
	if err != nil || pid < 1 {
		return status{}, fmt.Errorf("ask nginx: %.20q is no process", words[1])
	}
	return status{version: words[0], pid: pid, structure: words[2]}, nil
}

// Titles that nginx gives its processes.
const (
	masterTitle  = "nginx: master process"
	workerTitle  = "nginx: worker process"
	closingTitle = "is shutting down"
)

func titleOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.TrimRight(strings.ReplaceAll(string(data), "\x00", " "), " ")
}

// workersOf are a master's, sorted by their ids. The kernel's own list of children
// may leave some out while others end, so all processes are looked at.
func workersOf(master int) (workers []sequence.Worker) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || parentOf(pid) != master || !strings.HasPrefix(titleOf(pid), workerTitle) {
			continue
		}
		if worker, alive := balancer.WorkerOf(pid); alive {
			workers = append(workers, worker)
		}
	}
	slices.SortFunc(workers, func(a, b sequence.Worker) int { return a.PID - b.PID })
	return workers
}

// serverAddress reads what lbconf.ServerAddress made: "ipv4@10.0.0.1:32768".
func serverAddress(text string) (netip.AddrPort, bool) {
	_, text, _ = strings.Cut(text, "@")
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.AddrPort{}, false
	}
	host, err := netip.ParseAddr(text[:i])
	port, err2 := strconv.ParseUint(text[i+1:], 10, 16)
	return netip.AddrPortFrom(host, uint16(port)), err == nil && err2 == nil
}
