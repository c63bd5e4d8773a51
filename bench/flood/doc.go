// Package flood plays those who have no right to anything at a hub's door, as many
// as they can be: they connect and say nothing, end a handshake and show no
// certificate, send garbage where a CONNECT belongs, and guess passwords.
//
// A flood runs in a process of its own (bench/flood/cmd/flood), until its standard
// input ends, and then says what became of its attempts.
package flood
