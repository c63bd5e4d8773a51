//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// haproxyDir is where web1's agent keeps its HAProxy's files.
func (p *project) haproxyDir() string {
	return filepath.Join(p.c.StateDir("web1"), "haproxy")
}

// haproxyProcesses are the master and the workers of web1's HAProxy: those that
// were started with its own file.
func (p *project) haproxyProcesses() (pids []int) {
	p.Helper()
	own := []byte(filepath.Join(p.haproxyDir(), "haproxy.cfg"))
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		p.Fatal(err)
	}
	for _, path := range found {
		args, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(args, own) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			p.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// reloadHAProxy has HAProxy read its file again, as an operator could.
func (p *project) reloadHAProxy() {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.haproxyDir(), "haproxy.pid"))
	if err != nil {
		p.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		p.Fatal(err)
	}
	p.must(syscall.Kill(pid, syscall.SIGUSR2))
}

// troubles are HAProxy's counters of what went wrong between it and an
// instance: retries, redispatches, connections and answers that failed.
var troubles = []string{"wretr", "wredis", "econ", "eresp"}

// watch has seen the counters of HAProxy's workers.
type watch struct {
	workers  map[string]bool // by process id
	sessions int             // the most that one worker has had
	troubles map[string]int  // above 0: "worker 17: b_web/4-1: econ"
	missed   error           // why the last look failed
}

// watchHAProxy looks at the counters of all workers until it is stopped: a
// worker that a reload replaced goes on with its connections, and takes its
// counters along when it ends, as a server does that is deleted.
func (p *project) watchHAProxy() (stop func() watch) {
	w := watch{workers: map[string]bool{}, troubles: map[string]int{}}
	ctx, cancel := context.WithCancel(p.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			w.missed = w.look(filepath.Join(p.haproxyDir(), "master.sock"))
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() watch {
		cancel()
		done.Wait()
		return w
	}
}

func (w watch) String() string {
	return fmt.Sprintf("%d workers, %d troubles %v", len(w.workers), len(w.troubles), slices.Sorted(maps.Keys(w.troubles)))
}

// look reads the counters of every worker that there is now.
func (w *watch) look(master string) error {
	processes, err := askHAProxy(master, "show proc")
	if err != nil {
		return err
	}
	for line := range strings.Lines(processes) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[1] != "worker" {
			continue
		}
		text, err := askHAProxy(master, "@!"+fields[0]+" show stat")
		if err != nil || !strings.HasPrefix(text, "# ") {
			continue // it has ended meanwhile, or begins
		}
		if err := w.count(fields[0], text[2:]); err != nil {
			return err
		}
	}
	return nil
}

// count takes a worker's statistics.
func (w *watch) count(worker, text string) error {
	rows, err := csv.NewReader(strings.NewReader(strings.TrimSpace(text))).ReadAll()
	if err != nil {
		return fmt.Errorf("read HAProxy's statistics: %w", err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	w.workers[worker] = true
	for _, row := range rows[1:] {
		sessions, _ := strconv.Atoi(row[column["stot"]])
		w.sessions = max(w.sessions, sessions)
		for _, name := range troubles {
			i, there := column[name]
			if !there {
				return fmt.Errorf("HAProxy's statistics have no %s", name)
			}
			if n, _ := strconv.Atoi(row[i]); n > 0 { // where it has no meaning it is empty
				w.troubles[fmt.Sprintf("worker %s: %s/%s: %s", worker, row[column["pxname"]], row[column["svname"]], name)] = n
			}
		}
	}
	return nil
}

func askHAProxy(socket, command string) (string, error) {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", err
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil { // the master waits for more until then
		return "", err
	}
	text, err := io.ReadAll(conn)
	return string(text), err
}
