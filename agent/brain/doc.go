// Package brain is the agent's whole judgement: what it accepts of the hub's
// messages, which steps the engine is to take now, which probes run, what is
// reported and what must be on disk first. It is pure: time comes in as an
// argument, and the same inputs give the same outputs. The shell round it
// (agent/internal/loop) lists containers, carries out operations and answers.
package brain
