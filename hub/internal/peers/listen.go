package peers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// Group is that of those who may use the socket beside root.
const Group = "muster"

// Listen makes the socket, and its folder. It takes the place of one at which
// nobody answers any more, and of nothing else.
func Listen(path string) (net.Listener, error) {
	return listen(path, newUsers(system{}))
}

func listen(path string, users *users) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the socket: %w", err)
	}
	if err := makeWay(path); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on the socket: %w", err)
	}
	if err := restrict(path, users.group()); err != nil {
		return nil, errors.Join(fmt.Errorf("close the socket to others: %w", err), listener.Close())
	}
	return &peers{listener, users}, nil
}

// makeWay removes a socket of a hub that has ended.
func makeWay(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fleet.Conflict("socket", "%s is there, and is no socket", path).WithHint("name another path, or remove it")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
		return fleet.Conflict("socket", "another hub answers at %s", path).WithHint("stop that one, or name another path by --socket")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("try whether a hub answers at the socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take away the socket of a hub that has ended: %w", err)
	}
	return nil
}

// restrict lets connect who may. A hub that isn't root and no member can't give the
// socket to the group: then it stays its own.
func restrict(path, gid string) error {
	if id, err := strconv.Atoi(gid); err == nil && os.Chown(path, -1, id) == nil {
		return os.Chmod(path, 0o660)
	}
	return os.Chmod(path, 0o600)
}
