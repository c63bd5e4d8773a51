package nginx

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

// An agent without a descriptor left would find all endpoints failing at once.
func TestACheckThatThisMachineFailsSaysNothing(t *testing.T) {
	for err, own := range map[error]bool{
		&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}:         true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}: true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}:  false,
		errors.New("it answers 500"): false,
	} {
		if ownFault(err) != own {
			t.Errorf("%v: %v", err, !own)
		}
	}
}
