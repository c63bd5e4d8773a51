package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/lbconf"
)

// logRoot is where the workers of a nginx that was started by root, which
// aren't root, may find the socket of its log: they can't look into its directory.
const logRoot = "/run/muster-nginx"

// logBuffer is what the kernel keeps of the log while nobody reads it, in bytes.
const logBuffer = 4 << 20

// ledger adds up what nginx logs of measured pools.
type ledger struct {
	socket *net.UnixConn // belongs to Run
	done   sync.WaitGroup

	mu       sync.Mutex // guards the rest
	accounts map[owner]*account
	owners   map[string]owner // by address
	told     balancer.Told
}

// logDir is where the log's socket is.
func (b *Balancer) logDir() string {
	if os.Geteuid() != 0 {
		return b.Options.Dir
	}
	sum := sha256.Sum256([]byte(b.Options.Dir))
	return filepath.Join(logRoot, hex.EncodeToString(sum[:6]))
}

// open begins to take in what nginx logs, unless it does so already. Only the
// workers' user may write there.
func (l *ledger) open(dir, uid string) error {
	if l.socket != nil {
		return nil
	}
	if uid != "" {
		for _, path := range []string{filepath.Dir(dir), dir} {
			if err := os.MkdirAll(path, 0o711); err != nil {
				return fmt.Errorf("make a directory for nginx's log: %w", err)
			}
		}
	}
	path := filepath.Join(dir, lbconf.NginxLogSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the former socket of nginx's log: %w", err)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("make the socket of nginx's log: %w", err)
	}
	err = errors.Join(os.Chmod(path, 0o600), socket.SetReadBuffer(logBuffer))
	if number, bad := strconv.Atoi(uid); bad == nil {
		err = errors.Join(err, os.Chown(path, number, -1))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("let nginx log: %w", err), socket.Close())
	}
	l.socket = socket
	l.done.Go(func() {
		line := make([]byte, 8<<10)
		for {
			n, err := socket.Read(line)
			if err != nil {
				return
			}
			l.count(string(line[:n]))
		}
	})
	return nil
}

func (l *ledger) close() {
	if l.socket != nil {
		l.socket.Close()
		l.done.Wait()
		l.socket = nil
	}
}

// clearLog removes what is left of the log once nobody logs any more.
func clearLog(dir string) {
	_ = os.Remove(filepath.Join(dir, lbconf.NginxLogSocket))
	if filepath.Dir(dir) == logRoot {
		_ = os.Remove(dir)
	}
}
