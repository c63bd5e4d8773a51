package nginx

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/musterhq/muster/agent/sequence"
)

// sockets are the TCP connections of some workers.
type sockets []socket

type socket struct{ local, remote netip.AddrPort }

// to counts the connections to an endpoint, idle ones that are kept too.
func (s sockets) to(endpoint string) (count int) {
	address, ok := serverAddress(endpoint)
	for _, one := range s {
		if ok && one.remote == address {
			count++
		}
	}
	return count
}

// at counts clients of a port.
func (s sockets) at(port int) (count int) {
	for _, one := range s {
		if int(one.local.Port()) == port {
			count++
		}
	}
	return count
}

// socketsOf reads what workers have open. A worker that has ended has nothing.
func socketsOf(workers []sequence.Worker) (sockets, error) {
	mine := map[string]bool{}
	table := 0
	for _, worker := range workers {
		if !isAlive(worker) {
			continue
		}
		dir := fmt.Sprintf("/proc/%d/fd", worker.PID)
		entries, err := os.ReadDir(dir)
		if err != nil {
			if !isAlive(worker) {
				continue
			}
			return nil, fmt.Errorf("read a worker's connections: %w", err)
		}
		table = worker.PID
		for _, entry := range entries {
			link, err := os.Readlink(dir + "/" + entry.Name())
			if inode, found := strings.CutPrefix(link, "socket:["); err == nil && found {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	var all sockets
	for _, name := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", table, name))
		if err != nil {
			if name == "tcp6" { // a machine without IPv6
				continue
			}
			return nil, fmt.Errorf("read the connections: %w", err)
		}
		all = append(all, parseSockets(string(data), mine)...)
	}
	return all, nil
}

// listening is the state of a socket that has no other end.
const listening = "0A"

// parseSockets reads the kernel's table of connections, those of some inodes.
func parseSockets(table string, inodes map[string]bool) (all sockets) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] == listening || !inodes[fields[9]] {
			continue
		}
		local, ok1 := kernelAddress(fields[1])
		remote, ok2 := kernelAddress(fields[2])
		if ok1 && ok2 {
			all = append(all, socket{local, remote})
		}
	}
	return all
}

// kernelAddress reads "0100007F:1F90": each 32 bits in the machine's order.
func kernelAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	data, err2 := hex.DecodeString(host)
	if err != nil || err2 != nil || len(data) != 4 && len(data) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(data); i += 4 {
		binary.BigEndian.PutUint32(data[i:], binary.NativeEndian.Uint32(data[i:]))
	}
	address, ok := netip.AddrFromSlice(data)
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), ok
}
