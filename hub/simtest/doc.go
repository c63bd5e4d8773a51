// Package simtest runs whole fleets in virtual time. The hub's brain, the
// agents' brains and the sequence by which balancers change are the real
// ones; the container engines, the balancers, the network, the disks and the
// clients are faked, and break when they are told to.
//
// A run is a story: everything follows from its seed and its orders, and the
// same ones give the same bytes. At every step the checker holds what happens
// against what must always hold; see checker. The scripts in testdata are
// stories with their expected outcome, and read as documentation.
package simtest
