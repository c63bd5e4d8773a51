// Package simtest runs whole fleets in virtual time. The hub's brain, the
// agents' brains and the sequence by which balancers change are the real
// ones; the container engines, the balancers, the network, the disks and the
// clients are faked, and break when they are told to.
//
// TestRandomFleets makes fleets up by seed, most of them small, some of fifty
// hosts, and has at once go wrong what can: the network loses, repeats, holds up
// and parts, every part crashes and comes back, disks are full, slow or lost,
// engines fail or hang, clocks are off, people give orders at random. Then all
// is mended, and the fleet has to become what was asked for, but for services
// that can't. The real transport is TCP: messages of one session stay in order;
// retained ones race with newer ones, a session that was taken over may still be
// read for a moment, and what wasn't acknowledged comes again.
//
// TestRandomRollouts makes smaller fleets, many more of them, in which services are
// upgraded again and again: by every strategy, to good versions and bad ones, with
// jobs and judges, while people steer, and what a rollout depends on breaks.
//
// TestMutants builds the real brains with deliberate bugs and wants each to be
// noticed: who adds an invariant adds a check and a mutant that breaks it.
//
// A run is a story: everything follows from its seed and its orders, and the
// same ones give the same bytes. At every step the checker holds what happens
// against what must always hold; see checker. The scripts in testdata are
// stories with their expected outcome, and read as documentation.
package simtest
