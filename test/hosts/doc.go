// Package hosts makes whole test hosts on one machine.
//
// A Fleet is a bridge and, per host, a network namespace with its own address
// and UTS name, in which a container engine of its own runs. Ports that
// containers publish are reachable on the host's address from this machine,
// from the other hosts and from their containers. Hosts can lose their link,
// their engine or their power, and come back.
//
// Several fleets can exist at once: each claims a number N, which gives the
// bridge mht-N and the subnet 10.91.N.0/24. Everything a fleet makes follows
// from its claim, a file below /run/muster-hosts that names the owning process.
// Close takes all of it away, with the caller's own files and programs; what a
// killed process left is taken away by the next New, or by Sweep.
//
// LocalEngine claims an engine in the machine's own network in the same way. On
// one that was there before, the claim names a label: only what has it is taken
// away.
//
// It needs root and the packages that packaging/dev/setup.sh installs.
package hosts
