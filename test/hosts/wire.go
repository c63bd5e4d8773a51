package hosts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Line is how badly a host's cable carries what the host sends. What it is sent
// arrives as ever.
type Line struct {
	Loss  float64       // share of the packets that vanish
	Delay time.Duration // of those that don't
}

// waiting is how many packets may be under way; more are lost.
const waiting = 4096

// SpoilLink makes the host's cable a bad one until mend is called. The packets
// go through this process: tc's netem isn't in every kernel.
func (h *Host) SpoilLink(ctx context.Context, line Line) (mend func() error, err error) {
	veth, bridge := h.claim.veth(h.index), h.claim.name()
	w := &wire{tap: veth + "w"}
	// Without arp off this machine itself would answer in the bridge's place.
	if err := run(ctx, "ip", "link", "set", veth, "nomaster", "arp", "off"); err != nil {
		return nil, fmt.Errorf("spoil link: %w", err)
	}
	mend = sync.OnceValue(func() error {
		err := w.close()
		return errors.Join(err, run(context.WithoutCancel(ctx), "ip", "link", "set", veth, "master", bridge, "arp", "on"))
	})
	if err := w.open(veth); err != nil {
		return nil, errors.Join(fmt.Errorf("spoil link: %w", err), mend())
	}
	if err := run(ctx, "ip", "link", "set", w.tap, "master", bridge, "up"); err != nil {
		return nil, errors.Join(fmt.Errorf("spoil link: %w", err), mend())
	}
	w.carry(w.cable, w.bridge, line)
	w.carry(w.bridge, w.cable, Line{})
	return mend, nil
}

// wire takes packets off a cable and puts them on a bridge, and the other way
// round. Each has the kernel's header for what the sender left to its network
// card, which is kept as it is.
type wire struct {
	tap           string
	cable, bridge *os.File
	carrying      sync.WaitGroup
}

func (w *wire) open(veth string) (err error) {
	if w.cable, err = openCable(veth); err != nil {
		return fmt.Errorf("open the cable: %w", err)
	}
	if w.bridge, err = openTap(w.tap); err != nil {
		return fmt.Errorf("open the way to the bridge: %w", err)
	}
	return nil
}

func (w *wire) close() error {
	var errs []error
	for _, end := range []*os.File{w.cable, w.bridge} {
		if end != nil {
			errs = append(errs, end.Close())
		}
	}
	w.carrying.Wait()
	return errors.Join(errs...)
}

type packet struct {
	due  time.Time
	data []byte
}

// carry reads packets and writes each when it is due, until the wire is closed.
func (w *wire) carry(from, to *os.File, line Line) {
	underWay := make(chan packet, waiting)
	w.carrying.Go(func() {
		defer close(underWay)
		buffer := make([]byte, 1<<17)
		for {
			n, err := from.Read(buffer)
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil || rand.Float64() < line.Loss {
				continue
			}
			select {
			case underWay <- packet{due: time.Now().Add(line.Delay), data: append([]byte(nil), buffer[:n]...)}:
			default:
			}
		}
	})
	w.carrying.Go(func() {
		for p := range underWay {
			time.Sleep(time.Until(p.due))
			_, _ = to.Write(p.data) // a packet that can't be sent is lost
		}
	})
}

// openCable opens this machine's end of a host's cable.
func openCable(veth string) (*os.File, error) {
	link, err := net.InterfaceByName(veth)
	if err != nil {
		return nil, err
	}
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}))
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), veth), nil
}

// openTap makes a network interface whose other end is a file. It goes with the
// file.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}
