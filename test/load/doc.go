// Package load sends requests to a service at a constant rate and counts
// honestly what became of each.
//
// A generator is only worth something if it can fail:
//
//   - It never retries. A request is written once, to one connection, and its
//     answer is read from there; net/http's transport, which repeats some
//     requests by itself, is not used. Every answer that isn't 2xx and every
//     error while dialling, writing or reading is one failed request.
//   - It is an open loop: requests start by the clock, whatever became of the
//     ones before, and latency counts from the moment a request was due. A
//     service that stands still for a second gets a second's requests late.
//   - A kept connection that the server has closed *before* a request is due is
//     replaced, as every client does, and counted as Reopened. One that closes
//     after the request was begun is a failure.
package load
