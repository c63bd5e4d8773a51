package nginx

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// installation is what is known of the nginx that is installed.
type installation struct {
	stat    fs.FileInfo // of the file that was asked
	version lbconf.NginxVersion
	tcp     bool   // it can have TCP
	stream  string // by this module; empty: it is built in
}

func (p installation) known() bool { return p.version != lbconf.NginxVersion{} }

// lookAtProgram asks nginx what it is, again when it was replaced.
func (b *Balancer) lookAtProgram(ctx context.Context) error {
	path, err := exec.LookPath(b.Options.Binary)
	if err != nil {
		return fmt.Errorf("find nginx: %w", err)
	}
	stat, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at nginx: %w", err)
	}
	if old := b.program.stat; old != nil && os.SameFile(stat, old) && stat.ModTime().Equal(old.ModTime()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, balancer.ExecuteTimeout)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, "-V").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ask nginx for its version: %w", err)
	}
	version, ok := lbconf.ParseNginxVersion(string(output))
	switch {
	case !ok:
		return fleet.Invalid(path, "it doesn't say that it is nginx: %.80q", output)
	case !version.AtLeast(lbconf.NginxOldest):
		return fleet.Invalid(path, "nginx %s is too old: %s is the oldest that is driven", version, lbconf.NginxOldest).
			WithHint("install a newer one, and nothing drops at its reloads from %s on", lbconf.NginxKeepsClients)
	}
	b.program = installation{stat: stat, version: version}
	b.program.tcp, b.program.stream = streamOf(path, string(output))
	return nil
}

// streamOf says whether a nginx can have TCP, and by which module.
func streamOf(path, settings string) (tcp bool, module string) {
	modules := ""
	for word := range strings.FieldsSeq(settings) {
		if word == "--with-stream" {
			return true, ""
		}
		if value, found := strings.CutPrefix(word, "--modules-path="); found {
			modules = value
		}
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	beside := filepath.Join(filepath.Dir(filepath.Dir(path)), "lib", "nginx", "modules")
	for _, dir := range []string{beside, modules} {
		module := filepath.Join(dir, "ngx_stream_module.so")
		if _, err := os.Stat(module); err == nil {
			return true, module
		}
	}
	return false, ""
}

// version is the one that files are written for: that of the nginx that runs.
func (b *Balancer) version() lbconf.NginxVersion {
	if v, ok := lbconf.ParseNginxVersion("nginx/" + b.running); ok {
		return v
	}
	return b.program.version
}

// pace is how reloads are batched.
type pace struct {
	gather time.Duration // one waits so long for what else is to change
	apart  time.Duration // and so long after the one before
}

// nginx before 1.27.4 closes clients' idle connections at each reload, and a request
// on its way there is lost unless its client tries again.
var (
	paceNew = pace{50 * time.Millisecond, 250 * time.Millisecond}
	paceOld = pace{500 * time.Millisecond, 3 * time.Second}
)

func (b *Balancer) pace() pace {
	if b.version().AtLeast(lbconf.NginxKeepsClients) {
		return b.paceNew
	}
	return b.paceOld
}

// promise says what a reload does to requests, in words for people.
func (b *Balancer) promise() string {
	switch {
	case !b.program.known():
		return ""
	case b.version().AtLeast(lbconf.NginxKeepsClients):
		return "no request is dropped: at a reload, clients of HTTP/1 keep their connections, and those of HTTP/2 are told which calls to send anew"
	}
	return fmt.Sprintf("no request is dropped of clients that try again: nginx before %s closes idle connections at a reload, so there is at most one in %s",
		lbconf.NginxKeepsClients, b.paceOld.apart)
}

// workersUser is whom workers are run as: nobody in particular, where the agent
// is root. Else they are what the agent is.
func workersUser() (name, uid string) {
	if os.Geteuid() != 0 {
		return "", ""
	}
	for _, name := range []string{"www-data", "nginx", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if group, err := user.LookupGroupId(u.Gid); err == nil {
			return name + " " + group.Name, u.Uid
		}
	}
	return "root", "0"
}

// input is what a file is made from.
func (b *Balancer) input(pools []fleet.Pool, down []lbconf.ServerName) lbconf.NginxInput {
	global := globalOf(b.Options)
	global.Version, global.Stream = b.version(), b.program.stream
	global.User, _ = workersUser()
	global.LogDir = b.logDir()
	return lbconf.NginxInput{Global: global, Pools: pools, Down: down, Certificates: b.shown()}
}
