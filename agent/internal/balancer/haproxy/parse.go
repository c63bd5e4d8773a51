package haproxy

import (
	"encoding/csv"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// Bits of srv_admin_state; a server that was disabled in the file keeps bit 2
// for ever, which means nothing by itself.
const (
	adminMaint = 0x01 | 0x02 | 0x20 | 0x40
	adminDrain = 0x08 | 0x10
)

// maxCount is the largest number that every reader of JSON takes as it is.
const maxCount = 1 << 53

// processes is the answer to "show proc".
type processes struct {
	master  int
	failed  int // reloads in a row that failed
	current int // pid of the current worker, 0 when there is none
	old     []int
}

func parseProcesses(text string) (processes, error) {
	var out processes
	old := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			old = strings.HasPrefix(line, "# old workers")
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err != nil {
			return processes{}, fmt.Errorf("read haproxy's processes: unexpected line %q", line)
		}
		switch {
		case fields[1] == "master":
			out.master = pid
			if _, after, found := strings.Cut(line, "[failed: "); found {
				count, _, _ := strings.Cut(after, "]")
				out.failed, _ = strconv.Atoi(count)
			}
		case fields[1] == "worker" && old:
			out.old = append(out.old, pid)
		case fields[1] == "worker":
			out.current = pid
		}
	}
	if out.master == 0 {
		return processes{}, fmt.Errorf("read haproxy's processes: no master in %q", text)
	}
	return out, nil
}

// row is one line of a table. Columns are found by name, since newer versions
// add some.
type row struct {
	columns map[string]int
	fields  []string
}

func columnsOf(heading []string) map[string]int {
	columns := map[string]int{}
	for i, name := range heading {
		columns[name] = i
	}
	return columns
}

func (r row) text(column string) string {
	i, found := r.columns[column]
	if !found || i >= len(r.fields) {
		return ""
	}
	return r.fields[i]
}

func (r row) number(column string) int {
	n, _ := strconv.Atoi(r.text(column)) // an empty column is 0
	return n
}

// count reads a number that only grows.
func (r row) count(column string) uint64 {
	n, _ := strconv.ParseUint(r.text(column), 10, 64)
	return min(n, maxCount)
}

// statistics reads "show stat".
func statistics(text string) ([]row, error) {
	_, text, found := strings.Cut(text, "# pxname,")
	if !found {
		return nil, fmt.Errorf("read haproxy's statistics: no heading")
	}
	text, _, _ = strings.Cut("pxname,"+text, "\n\n")
	reader := csv.NewReader(strings.NewReader(text))
	reader.LazyQuotes = true
	reader.FieldsPerRecord = -1
	records, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read haproxy's statistics: %w", err)
	}
	columns := columnsOf(records[0])
	rows := make([]row, 0, len(records)-1)
	for _, record := range records[1:] {
		rows = append(rows, row{columns, record})
	}
	return rows, nil
}

// serverOf returns the key of a server's line.
func serverOf(backend, name string) (sequence.ServerKey, bool) {
	kind, key, target, ok := lbconf.ParseName(backend)
	if !ok || kind != 'b' || name == "BACKEND" {
		return sequence.ServerKey{}, false
	}
	return sequence.ServerKey{Service: key, Target: target, Instance: name}, true
}

// parseServers joins "show servers state" with the statistics.
func parseServers(state string, rows []row) ([]sequence.Server, error) {
	stats := map[sequence.ServerKey]row{}
	for _, r := range rows {
		if key, ok := serverOf(r.text("pxname"), r.text("svname")); ok {
			stats[key] = r
		}
	}
	var columns map[string]int
	var servers []sequence.Server
	for line := range strings.Lines(state) {
		fields := strings.Fields(line)
		if heading, found := strings.CutPrefix(line, "# be_id"); found {
			columns = columnsOf(strings.Fields("be_id" + heading))
			continue
		}
		if len(columns) == 0 || len(fields) < len(columns) {
			continue
		}
		r := row{columns, fields}
		key, ok := serverOf(r.text("be_name"), r.text("srv_name"))
		if !ok {
			continue
		}
		server, err := parseServer(key, r, stats[key])
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("read haproxy's servers: no heading")
	}
	return servers, nil
}

func parseServer(key sequence.ServerKey, state, stats row) (sequence.Server, error) {
	address, err := netip.ParseAddr(state.text("srv_addr"))
	if err != nil {
		return sequence.Server{}, fmt.Errorf("read haproxy's servers: %w", err)
	}
	endpoint := fleet.Endpoint{Address: address.String(), Ports: map[int]int{key.Target: state.number("srv_port")}}
	server := sequence.Server{
		ServerKey:   key,
		Address:     lbconf.ServerAddress(endpoint, key.Target),
		State:       sequence.StateReady,
		Weight:      state.number("srv_uweight"),
		Check:       parseCheck(stats.text("status"), stats.text("check_status")),
		Connections: stats.number("scur") + stats.number("qcur"),
		Kept:        stats.number("srv_icur"),
	}
	switch admin := state.number("srv_admin_state"); {
	case admin&adminMaint != 0:
		server.State = sequence.StateMaint
	case admin&adminDrain != 0, server.Weight == 0:
		server.State = sequence.StateDrain
	}
	return server, nil
}

// parseCheck reads the outcome of a check. A status like "DRAIN 1/2" is on its
// way: with it, a good result may be from before a maintenance.
func parseCheck(status, check string) string {
	check = strings.TrimPrefix(check, "* ") // another check is running
	passed := check == "L4OK" || check == "L6OK" || check == "L7OK" || check == "L7OKC"
	state, _, moving := strings.Cut(status, " ")
	switch {
	case state == "DOWN":
		return fleet.CheckFailing
	case state == "UP" && check != "INI" && check != "", passed && !moving && state == "DRAIN":
		return fleet.CheckPassing
	case state == "DRAIN" && !passed && check != "INI" && check != "":
		return fleet.CheckFailing
	}
	return fleet.CheckUnknown
}
