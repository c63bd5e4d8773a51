package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/agent/brain"
	"github.com/musterhq/muster/shared/fleet"
)

// missingImage are a registry's words for what it doesn't have, or doesn't
// show to us.
var missingImage = []string{"manifest unknown", "not found", "pull access denied", "repository does not exist", "manifest invalid"}

// denied are a registry's words for who may not have something.
var denied = []string{"unauthorized", "no basic auth credentials", "authentication required", "incorrect username or password", "access forbidden", "denied: requested access"}

// pull makes sure that the engine has an image; a local one only looks.
func (e *Engine) pull(ctx context.Context, op *brain.Op) brain.Result {
	doing := "pull image " + op.Image
	found, err := e.findImage(ctx, op.Image)
	if err == nil && op.Anew {
		return e.fetch(ctx, op, doing)
	}
	if errdefs.IsNotFound(err) {
		if op.Never {
			return permanent(op, doing, errors.New("this host doesn't have it, and its pull_policy is never"))
		}
		if op.Local {
			r := done(op)
			r.Missing = true
			return r
		}
		if strings.HasPrefix(op.Image, "sha256:") {
			return permanent(op, doing, errors.New("this host doesn't have it, and no registry finds an image by its id"))
		}
		return e.fetch(ctx, op, doing)
	}
	if err != nil {
		return failed(op, doing, err)
	}
	r := done(op)
	r.Image = found
	return r
}

// fetch brings an image from its registry, and tells whether it is new here.
func (e *Engine) fetch(ctx context.Context, op *brain.Op, doing string) brain.Result {
	before, err := e.has(ctx)
	if err != nil {
		return failed(op, doing, err)
	}
	if err := e.transfer(ctx, op.Image, op.Credentials); err != nil {
		return pullFailed(op, doing, err)
	}
	found, err := e.findImage(ctx, op.Image)
	if err != nil {
		return failed(op, doing, err)
	}
	r := done(op)
	r.Image, r.Fetched, r.New = found, true, !before[found.ID]
	return r
}

func pullFailed(op *brain.Op, doing string, err error) brain.Result {
	text := clean(err)
	if login := op.Credentials; login != nil && login.Password != "" && strings.Contains(text, login.Password) { // no registry says it, as far as anybody knows
		text = strings.ReplaceAll(text, login.Password, "(not shown)")
		err = errors.New(text)
	}
	var timeout *timeoutError
	switch {
	case errors.As(err, &timeout):
		return failed(op, doing, fmt.Errorf("it took longer than %v", timeout.limit))
	case says(text, unreachable):
		return failed(op, doing, fmt.Errorf("the registry can't be reached: %s", lastOf(text)))
	case says(text, denied) && op.Credentials != nil:
		return permanent(op, doing, fmt.Errorf("%s doesn't let %q in, or doesn't let it have this (muster registry set %s): %s",
			op.Registry, op.Credentials.Username, op.Registry, text))
	case says(text, denied):
		return permanent(op, doing, fmt.Errorf("%s wants a login (muster registry set %s): %s", op.Registry, op.Registry, text))
	case says(text, missingImage):
		return permanent(op, doing, fmt.Errorf("there is no such image, or it takes a login: %s", text))
	}
	return failed(op, doing, err)
}

// lastOf is the end of a chain of errors: the cause.
func lastOf(text string) string {
	parts := strings.Split(text, ": ")
	return strings.Join(parts[max(0, len(parts)-2):], ": ")
}

func (e *Engine) findImage(ctx context.Context, ref string) (brain.Image, error) {
	var found image.InspectResponse
	err := e.call(ctx, func(ctx context.Context, cli *client.Client) error {
		var err error
		found, err = cli.ImageInspect(ctx, ref)
		return err
	})
	if err != nil {
		return brain.Image{}, err
	}
	return brain.Image{ID: found.ID, Digest: digestOf(ref, found.RepoDigests)}, nil
}

// digestOf picks the digest of the repository that ref names; an id stands
// for any.
func digestOf(ref string, digests []string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	for _, digest := range slices.Sorted(slices.Values(digests)) {
		candidate, badDigest := reference.ParseNormalizedNamed(digest)
		if badDigest != nil {
			continue
		}
		if strings.HasPrefix(ref, "sha256:") || err == nil && named.Name() == candidate.Name() {
			return digest
		}
	}
	return ""
}

// transfer fetches an image from its registry and waits for the end.
func (e *Engine) transfer(ctx context.Context, ref string, login *fleet.Credentials) error {
	options := image.PullOptions{}
	if login != nil {
		auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: login.Username, Password: login.Password, ServerAddress: serverOf(ref)})
		if err != nil {
			return fmt.Errorf("write the login: %w", err)
		}
		options.RegistryAuth = auth
	}
	return e.callWithin(ctx, e.options.PullTimeout, func(ctx context.Context, cli *client.Client) error {
		stream, err := cli.ImagePull(ctx, ref, options)
		if err != nil {
			return err
		}
		defer func() { _ = stream.Close() }() // read to its end
		return readProgress(stream)
	})
}

// serverOf names a registry as engines do that are told a login for it.
func serverOf(ref string) string {
	if host := fleet.RegistryOf(ref); host != fleet.DefaultRegistry {
		return host
	}
	return "https://index.docker.io/v1/"
}

// readProgress reads what the engine tells of a transfer, and returns the
// error in it.
func readProgress(stream io.Reader) error {
	decoder := json.NewDecoder(stream)
	for {
		var message struct {
			Error string `json:"error"`
		}
		switch err := decoder.Decode(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read progress: %w", err)
		case message.Error != "":
			return errors.New(message.Error)
		}
	}
}
