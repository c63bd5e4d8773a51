package peers

import (
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/shared/fleet"
)

// peers are those who connect.
type peers struct {
	*net.UnixListener
	users *users
}

// Accept returns the next connection. Whoever it is, they get an answer.
func (p *peers) Accept() (net.Conn, error) {
	conn, err := p.AcceptUnix()
	if err != nil {
		return nil, err
	}
	cred, err := credentials(conn)
	return &peer{UnixConn: conn, cred: cred, err: err, users: p.users}, nil
}

// peer is a connection that knows who is at the other end.
type peer struct {
	*net.UnixConn
	cred  *unix.Ucred
	err   error
	users *users
}

// credentials are those that the other end had when it connected, by the kernel's
// word.
func credentials(conn *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if controlErr != nil {
		return nil, controlErr
	}
	return cred, err
}

// Principal is who is at the other end: an admin, or an error.
func (p *peer) Principal() (fleet.Principal, error) {
	if p.err != nil {
		return fleet.Principal{}, p.err
	}
	uid, gid := strconv.Itoa(int(p.cred.Uid)), strconv.Itoa(int(p.cred.Gid))
	by := fleet.Principal{Name: p.users.name(uid), Role: fleet.RoleAdmin, Via: fleet.ViaSocket, From: "uid " + uid}
	switch group := p.users.group(); {
	case uid == "0":
		by.Name = "root"
	case int(p.cred.Uid) == os.Geteuid():
	case group != "" && (gid == group || p.users.member(uid, group)):
	default:
		refused := &fleet.Error{Code: fleet.CodeForbidden, Message: by.Name + " may not use the hub's socket: it is for root and the group " + Group}
		return fleet.Principal{Name: by.Name, Via: by.Via, From: by.From},
			refused.WithHint("as root: usermod -aG %s %s, then log in to the machine anew; or muster login at the hub's address", Group, by.Name)
	}
	return by, nil
}
