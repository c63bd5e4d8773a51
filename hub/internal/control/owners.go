package control

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// owners lets in root and the user that the hub runs as, whatever the socket's
// mode says.
type owners struct{ *net.UnixListener }

// Accept returns the next connection of one who may connect.
func (o owners) Accept() (net.Conn, error) {
	for {
		conn, err := o.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, known := peer(conn); known && mayAsk(uid) {
			return conn, nil
		}
		conn.Close()
	}
}

func mayAsk(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// peer is the user at the other end, by the kernel's word.
func peer(conn *net.UnixConn) (uid int, known bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	if controlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); controlErr != nil || err != nil {
		return 0, false
	}
	return int(cred.Uid), true
}
