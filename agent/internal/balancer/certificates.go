package balancer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

const (
	// CertificatePause is how often the certificates that the host has are looked at.
	CertificatePause = time.Second
	// acceptPause is how long after a failure one is tried again that is sound.
	acceptPause = 30 * time.Second
)

// CertificatesDir is where an operator keeps them, unless the agent is told otherwise.
const CertificatesDir = "/etc/muster/certificates"

// Certificates are those that the host has and pools ask for. A balancer is given
// copies in a folder of its own, each under a name by its content: what a renewal
// spoils, or what expires, changes nothing for those who serve.
type Certificates struct {
	// Source is the operator's folder, with NAME.pem, or NAME/fullchain.pem and
	// NAME/privkey.pem. Dir is the balancer's own.
	Source, Dir string
	Log         *slog.Logger
	// Accepts asks the balancer itself about a copy. Nil: all will do.
	Accepts func(ctx context.Context, name, path string) error

	looked time.Time
	known  map[string]*known
}

// known is what there is by one name.
type known struct {
	stamp   string      // of the files, as last read
	glimpse string      // of the files, as last seen
	problem error       // what is wrong with them; nil: they are in use
	now     certificate // in use; without content: none is
	path    string      // its copy's
	read    certificate // as last read, where it is not in use
	again   time.Time   // when it is tried again
}

// Look reads what changed of the certificates that some pools ask for, once in a
// while, and says which names have another copy than before. Filed are the pools that
// the balancer has.
func (c *Certificates) Look(ctx context.Context, now time.Time, filed, wanted []fleet.Pool) (changed []string) {
	if c.known == nil {
		c.known = map[string]*known{}
	}
	if now.Sub(c.looked) < CertificatePause && !c.news(wanted) {
		return nil
	}
	c.looked = now
	hosts := hostsOf(slices.Concat(filed, wanted))
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		k := c.known[name]
		if k == nil {
			k = c.recall(name)
			c.known[name] = k
		}
		before := k.path
		was := text(k.problem)
		c.look(ctx, now, name, k, hosts[name])
		if k.path != before {
			changed = append(changed, name)
			c.Log.Info("certificate in use", "certificate", name, "until", k.now.leaf.NotAfter)
		}
		if now := text(k.problem); now != was && now != "" {
			c.Log.Warn("certificate not used", "certificate", name, "error", k.problem)
		}
	}
	maps.DeleteFunc(c.known, func(name string, _ *known) bool { _, asked := hosts[name]; return !asked })
	return changed
}

// news says whether a pool asks for a name that wasn't looked at.
func (c *Certificates) news(wanted []fleet.Pool) bool {
	return slices.ContainsFunc(wanted, func(p fleet.Pool) bool {
		return slices.ContainsFunc(lbconf.CertificatesOf(p), func(name string) bool { return c.known[name] == nil })
	})
}

// look reads one certificate where its files changed, and takes it into use where it
// will do.
func (c *Certificates) look(ctx context.Context, now time.Time, name string, k *known, hosts []string) {
	stamp := c.stamp(name)
	still := stamp == k.glimpse
	k.glimpse = stamp
	if stamp == k.stamp || !still && k.stamp != "" { // two files aren't replaced at once
		c.wait(ctx, now, name, k)
		return
	}
	k.stamp, k.read = stamp, certificate{}
	read, err := readCertificate(c.Source, name)
	if err == nil && k.now.leaf != nil {
		if i := slices.IndexFunc(hosts, func(h string) bool { return k.now.covers(h) && !read.covers(h) }); i >= 0 {
			err = fmt.Errorf("it is for %s, and not for %s as the one before", strings.Join(read.leaf.DNSNames, ", "), hosts[i])
		}
	}
	if err != nil {
		k.problem = err
		return
	}
	k.read = read
	c.use(ctx, now, name, k)
}

// wait takes into use what was read before its time, and says of what is in use when
// it has expired.
func (c *Certificates) wait(ctx context.Context, now time.Time, name string, k *known) {
	switch {
	case k.read.leaf != nil && k.read.dated(now) == nil && !now.Before(k.again):
		c.use(ctx, now, name, k)
	case k.problem == nil && k.now.leaf != nil:
		k.problem = k.now.dated(now)
	}
}

func (c *Certificates) use(ctx context.Context, now time.Time, name string, k *known) {
	path := filepath.Join(c.Dir, k.read.file(name))
	if k.problem = k.read.dated(now); k.problem != nil {
		return
	}
	k.again = now.Add(acceptPause)
	if k.problem = c.copy(path, k.read.content); k.problem == nil && c.Accepts != nil {
		k.problem = c.Accepts(ctx, name, path)
	}
	if ctx.Err() != nil || k.problem != nil {
		return
	}
	k.now, k.path, k.read = k.read, path, certificate{}
}

// stamp tells two states of a certificate's files apart.
func (c *Certificates) stamp(name string) string {
	var out strings.Builder
	one, two := sources(c.Source, name)
	for _, path := range []string{one, two[0], two[1]} {
		if stat, err := os.Stat(path); err == nil {
			fmt.Fprintf(&out, "%s %d %d %v;", path, stat.Size(), stat.ModTime().UnixNano(), stat.Sys())
		} else {
			fmt.Fprintf(&out, "%v;", errors.Is(err, fs.ErrNotExist))
		}
	}
	return out.String()
}

// Paths are the copies in use, by name.
func (c *Certificates) Paths() map[string]string {
	out := map[string]string{}
	for name, k := range c.known {
		if k.path != "" {
			out[name] = k.path
		}
	}
	return out
}

// Names are the host names that the copies in use are for, in lower case, by name.
func (c *Certificates) Names() map[string][]string {
	out := map[string][]string{}
	for name, k := range c.known {
		if k.path != "" {
			for _, host := range k.now.leaf.DNSNames {
				out[name] = append(out[name], strings.ToLower(host))
			}
		}
	}
	return out
}

// Missing says why a pool can't have its certificates; filed is what the balancer has
// of it now: what it serves with, it may go on with.
func (c *Certificates) Missing(pool, filed fleet.Pool) error {
	had := lbconf.CertificatesOf(filed)
	for _, name := range lbconf.CertificatesOf(pool) {
		k := c.known[name]
		switch {
		case k == nil || k.path == "" && k.problem == nil:
			return fmt.Errorf("certificate %s: it wasn't looked at yet", name)
		case k.path == "" || k.problem != nil && !slices.Contains(had, name):
			return fmt.Errorf("certificate %s: %w", name, k.problem)
		}
	}
	for i := range pool.Routes {
		for port, names := range pool.Routes[i].Certificates {
			for _, host := range pool.Routes[i].Hosts {
				if !slices.ContainsFunc(names, func(name string) bool { return c.known[name].now.covers(host) }) {
					return fmt.Errorf("certificate %s: on port %d it is not for the host name %s", strings.Join(names, ", "), port, host)
				}
			}
		}
	}
	return nil
}

// Problem says what is wrong with what the host has for pools that serve all the
// same; nil: nothing is.
func (c *Certificates) Problem(filed []fleet.Pool) error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(hostsOf(filed))) {
		if k := c.known[name]; k != nil && k.problem != nil && k.path != "" {
			all = append(all, fmt.Errorf("certificate %s: %w (what was in use before goes on)", name, k.problem))
		}
	}
	return errors.Join(all...)
}

// hostsOf are the host names that each certificate is asked for with, by its name.
func hostsOf(pools []fleet.Pool) map[string][]string {
	out := map[string][]string{}
	for _, pool := range pools {
		for _, name := range lbconf.CertificatesOf(pool) {
			out[name] = append(out[name], []string{}...)
		}
		for _, route := range pool.Routes {
			for _, names := range route.Certificates {
				for _, name := range names {
					if !pool.Removed {
						out[name] = append(out[name], route.Hosts...)
					}
				}
			}
		}
	}
	return out
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
