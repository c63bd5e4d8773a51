package hosts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// engineOfBefore claims nothing on an engine that is there already: see Claim.
func engineOfBefore(ctx context.Context, options Options) (*Local, error) {
	if err := checkMachine(); err != nil {
		return nil, err
	}
	c, err := newClaim(ctx, options.Dir, claim{Local: true, Engine: options.Engine}, options.logger())
	if err != nil {
		return nil, err
	}
	l := &Local{Client: Client{DockerSocket: options.Engine}, Dir: c.files(), claim: c}
	l.close = sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if err := l.claim.tearDown(ctx); err != nil {
			return fmt.Errorf("leave the machine's engine: %w", err)
		}
		return nil
	})
	return l, nil
}

// Claim says that the containers and volumes with a label are the caller's, on
// an engine that was there before too: they go at Close, or with a sweep after
// the caller's death. Everything else on such an engine stays.
func (l *Local) Claim(label string) error {
	l.claim.Label = label
	return l.claim.write()
}

// LoadImage loads an archive of images with these tags into the engine. A tag that
// wasn't there before goes at Close.
func (l *Local) LoadImage(ctx context.Context, tarPath string, tags ...string) error {
	for _, tag := range tags {
		if l.Docker(ctx, "image", "inspect", tag).Run() != nil && !slices.Contains(l.claim.Images, tag) {
			l.claim.Images = append(l.claim.Images, tag)
		}
	}
	if err := l.claim.write(); err != nil {
		return err
	}
	return l.Client.LoadImage(ctx, tarPath)
}

// clearEngine removes what was claimed on an engine that was there before.
func (c claim) clearEngine(ctx context.Context) error {
	if c.Engine == "" {
		return nil
	}
	client := Client{DockerSocket: c.Engine}
	var errs []error
	if c.Label != "" {
		errs = append(errs,
			client.removeListed(ctx, "container ls --all --quiet --filter label="+c.Label, "container rm --force --volumes"),
			client.removeListed(ctx, "volume ls --quiet --filter label="+c.Label, "volume rm"))
	}
	for _, tag := range c.Images {
		_ = client.Docker(ctx, "image", "rm", tag).Run() // one that somebody uses by now stays
	}
	return errors.Join(errs...)
}

// removeListed runs a docker command on everything that another one lists.
func (c Client) removeListed(ctx context.Context, list, remove string) error {
	out, err := c.Docker(ctx, strings.Fields(list)...).Output()
	if err != nil {
		return fmt.Errorf("docker %s: %w", list, err)
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return nil
	}
	return finish(c.Docker(ctx, append(strings.Fields(remove), ids...)...))
}
