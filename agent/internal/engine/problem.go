package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// maxProblem bounds what a result says, in bytes.
const maxProblem = 400

// errNotOurs guards everybody else's containers.
var errNotOurs = errors.New("the container doesn't carry this instance's label: it is left alone")

// portTaken are the engine's words when a host port belongs to somebody else.
var portTaken = []string{"port is already allocated", "address already in use", "ports are not available"}

// unreachable are the engine's words when a registry doesn't answer.
var unreachable = []string{
	"no such host", "connection refused", "i/o timeout", "handshake timeout", "no route to host",
	"network is unreachable", "server misbehaving", "request canceled", "connection reset",
	"temporary failure in name resolution", ": eof",
}

// failed makes the result of an operation that didn't work; doing is a verb
// phrase like "start container".
func failed(op *brain.Op, doing string, err error) brain.Result {
	text := clean(err)
	r := done(op)
	r.Problem = fleet.Clip(doing+": "+text, maxProblem)
	switch {
	case isGone(err):
		r.Gone = true
	case says(text, portTaken):
		r.PortTaken = true
	case errdefs.IsInvalidArgument(err):
		// A directory that is missing can be made.
		r.Permanent = !strings.Contains(text, "bind source path does not exist")
	}
	return r
}

func done(op *brain.Op) brain.Result {
	return brain.Result{Kind: op.Kind, Instance: op.Instance, Version: op.Version}
}

func gone(op *brain.Op) brain.Result {
	r := done(op)
	r.Gone = true
	return r
}

// isGone tells a missing container from a missing image or network.
func isGone(err error) bool {
	return errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such container")
}

func says(text string, words []string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// clean leaves out of an error what only tells of the way that it came.
func clean(err error) string {
	if client.IsErrConnectionFailed(err) {
		return "the engine can't be reached"
	}
	var timeout *timeoutError
	if errors.As(err, &timeout) {
		return timeout.Error()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "given up before the engine answered"
	}
	return strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
}
