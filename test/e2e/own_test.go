//go:build e2e

package e2e

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/musterhq/muster/test/cluster"
)

// ofItsOwn is a project on a fleet of its own, which the test may take apart. Its
// engines have some of the images of tests; none named: all.
func ofItsOwn(t *testing.T, name string, o cluster.Options, tags ...string) *project {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	o.Dir, o.Logger, o.Of = "/var/tmp", slog.New(slog.DiscardHandler), shared
	o.AgentArgs = append([]string{"--haproxy-retries", "0", "--reconnect-max", "4s"}, o.AgentArgs...)
	c, err := cluster.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	p := &project{T: t, name: name, c: c, off: map[string]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			p.dump()
			c.Logs(os.Stderr, 40_000)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	p.must(loadApps(ctx, c, tags...))
	p.mark()
	return p
}
