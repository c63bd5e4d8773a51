package readings

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// stateListen is how the kernel writes the state of a listening socket.
const stateListen = "0A"

// listeningPorts returns the TCP ports that something in this network listens
// on, on whatever address, sorted.
func listeningPorts() ([]int, error) {
	var ports []int
	for _, path := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		found, err := parseListening(file)
		_ = file.Close() // only read
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		ports = append(ports, found...)
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

// parseListening reads the kernel's table of sockets. Listening ones come
// first, so it stops at the first that isn't, and doesn't read a busy host's
// hundred thousand connections.
func parseListening(table io.Reader) ([]int, error) {
	var ports []int
	lines := bufio.NewScanner(table)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 {
			return nil, fmt.Errorf("line %q has too few fields", lines.Text())
		}
		if fields[3] != stateListen {
			break
		}
		_, text, _ := strings.Cut(fields[1], ":")
		port, err := strconv.ParseUint(text, 16, 16)
		if err != nil {
			return nil, fmt.Errorf("read port: %w", err)
		}
		ports = append(ports, int(port))
	}
	return ports, lines.Err()
}
