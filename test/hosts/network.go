package hosts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// netnsDir is where ip(8) keeps network namespaces by name.
const netnsDir = "/run/netns"

// makeBridge makes the bridge with the hub's address on it.
//
// An engine in the machine's own namespace sets forwarding to DROP, and the
// kernel applies that to bridged frames too: the rule lets hosts reach each
// other all the same.
func makeBridge(ctx context.Context, c claim) error {
	steps := [][]string{
		{"ip", "link", "add", c.name(), "address", c.mac(1), "type", "bridge"},
		{"ip", "address", "add", c.hubAddress() + "/24", "dev", c.name()},
		{"ip", "link", "set", c.name(), "up"},
		append([]string{"iptables", "-w", "10", "-I"}, forwardRule(c)...),
	}
	return runSteps(ctx, steps)
}

// mac is the hardware address that goes with address(n). It stays the same when
// a host boots again and when a port joins the bridge: else the others would
// send to an old one until their caches forget it, which takes half a minute.
func (c claim) mac(n int) string { return fmt.Sprintf("02:6d:68:74:%02x:%02x", c.Number, n) }

func forwardRule(c claim) []string {
	return []string{"FORWARD", "-i", c.name(), "-o", c.name(), "-j", "ACCEPT"}
}

// makeNetns makes the namespace of the host with that index and plugs it into
// the bridge.
func makeNetns(ctx context.Context, c claim, index int, host string) error {
	ns := c.netns(host)
	return runSteps(ctx, [][]string{
		{"ip", "netns", "add", ns},
		{"ip", "link", "add", c.veth(index), "type", "veth",
			"peer", "name", "eth0", "address", c.mac(firstHostAddress + index), "netns", ns},
		{"ip", "link", "set", c.veth(index), "master", c.name(), "up"},
		{"ip", "-n", ns, "address", "add", c.address(firstHostAddress+index) + "/24", "dev", "eth0"},
		{"ip", "-n", ns, "link", "set", "lo", "up"},
		{"ip", "-n", ns, "link", "set", "eth0", "up"},
		{"ip", "-n", ns, "route", "add", "default", "via", c.hubAddress()},
	})
}

func runSteps(ctx context.Context, steps [][]string) error {
	for _, step := range steps {
		if err := run(ctx, step[0], step[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// removeNetwork takes away the namespaces, the bridge and the rule, as far as
// they exist.
func (c claim) removeNetwork(ctx context.Context) error {
	var errs []error
	for i, host := range c.Hosts {
		errs = append(errs, removeNetns(ctx, c, i, host))
	}
	if linkExists(c.name()) {
		errs = append(errs, run(ctx, "ip", "link", "delete", c.name()))
	}
	if !c.Local && run(ctx, "iptables", append([]string{"-w", "10", "-C"}, forwardRule(c)...)...) == nil {
		errs = append(errs, run(ctx, "iptables", append([]string{"-w", "10", "-D"}, forwardRule(c)...)...))
	}
	return errors.Join(errs...)
}

// removeNetns takes a host's namespace away. The kernel frees a namespace some
// time after its last process, so the link is taken away by itself.
func removeNetns(ctx context.Context, c claim, index int, host string) error {
	var errs []error
	if linkExists(c.veth(index)) {
		errs = append(errs, run(ctx, "ip", "link", "delete", c.veth(index)))
	}
	if _, err := os.Stat(filepath.Join(netnsDir, c.netns(host))); err == nil {
		errs = append(errs, run(ctx, "ip", "netns", "delete", c.netns(host)))
	}
	return errors.Join(errs...)
}

func linkExists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func setLink(ctx context.Context, link, state string) error {
	if err := run(ctx, "ip", "link", "set", link, state); err != nil {
		return fmt.Errorf("set link %s: %w", state, err)
	}
	return nil
}
