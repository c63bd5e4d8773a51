// Package reach tries whether somebody listens at an address, and says from where
// one can be reached. Hub and agents are each other's witnesses, so they have to
// mean the same by it.
package reach

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
)

// absent are the errors that tell of the other side, or of the way to it. An
// attempt that comes to its deadline ends by the context's or by the socket's,
// whichever is first.
var absent = []error{
	context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT, syscall.ECONNREFUSED, syscall.ECONNRESET,
	syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETUNREACH,
}

// Try opens a TCP connection to an IP address with a port, and closes it.
// looked is false where it couldn't try: for want of a free descriptor, say.
// The error then tells nothing about the address.
func Try(ctx context.Context, address string) (looked bool, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return false, err
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err == nil {
		return true, connection.Close()
	}
	return about(err), err
}

// Loopback says whether a host, an address or a name without a port, can be
// reached from its own machine alone. Names other than localhost count as not.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// about says whether an error of the attempt is about the other side.
func about(err error) bool {
	return slices.ContainsFunc(absent, func(known error) bool { return errors.Is(err, known) })
}
