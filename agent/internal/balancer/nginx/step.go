package nginx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/agent/internal/balancer"
	"github.com/musterhq/muster/agent/sequence"
	"github.com/musterhq/muster/shared/fleet"
	"github.com/musterhq/muster/shared/lbconf"
)

// programPause is the pause while there is no nginx to run.
const programPause = 5 * time.Second

// step looks once and does what is due. It returns the pause until the next.
func (b *Balancer) step(ctx context.Context) time.Duration {
	programProblem := b.lookAtProgram(ctx)
	if programProblem != nil && !b.program.known() {
		if ctx.Err() == nil {
			b.Publish(false, programProblem.Error(), nil)
		}
		return programPause
	}
	b.shortenLog()
	fileProblem := b.LookAtFile(b.readFile)
	if b.Loaded {
		b.LookAtCertificates(ctx)
	}
	seen, err := b.observe(ctx)
	if err != nil {
		return b.Unreadable(ctx, err, b.wayOut())
	}
	b.account()
	b.checker.follow(targets(b.Wanted(), b.Memory.Filed))
	turn := sequence.NextByFile(b.Wanted(), seen, b.Memory, time.Now(), b.byFile())
	b.Readable(turn)
	if !seen.Up {
		b.PublishDown(fileProblem, turn.Report)
	}
	return b.Act(ctx, turn, seen.Up, errors.Join(fileProblem, programProblem, b.otherVersion()), b.perform)
}

func (b *Balancer) byFile() sequence.ByFile {
	p := b.pace()
	return sequence.ByFile{Gather: p.gather, Apart: p.apart, Structure: b.structure}
}

func (b *Balancer) structure(pools []fleet.Pool, down []sequence.ServerKey) string {
	return lbconf.NginxStructure(b.input(pools, names(down)))
}

// readFile reads who is down by the file, and what it tells of itself.
func (b *Balancer) readFile([]fleet.Pool) error {
	if err := balancer.MakeDir(b.Path("temp")); err != nil { // nginx wants it
		return err
	}
	content := b.File.Content()
	if content == nil {
		return nil
	}
	down, err := lbconf.NginxDown(content)
	if err != nil {
		return err
	}
	b.Memory.Down, b.Memory.Structure = keys(down), lbconf.NginxTells(content)
	return nil
}

// wayOut is a hint for whoever reads that nginx can't be asked.
func (b *Balancer) wayOut() string {
	master, alive := b.named()
	if !alive {
		return ""
	}
	return fmt.Sprintf(" (it serves on as it is; kill -QUIT %d ends it when its connections have ended, and it is started anew)", master)
}

// otherVersion says that the nginx that runs isn't the one that is installed.
func (b *Balancer) otherVersion() error {
	if b.running == "" || !b.program.known() || b.running == b.program.version.String() {
		return nil
	}
	master, _ := b.named()
	return fmt.Errorf("nginx %s is installed, and %s still runs: kill -QUIT %d ends it when its connections have ended, and the other is started",
		b.program.version, b.running, master)
}

func names(keys []sequence.ServerKey) (names []lbconf.ServerName) {
	for _, key := range keys {
		names = append(names, lbconf.ServerName(key))
	}
	return names
}

func keys(names []lbconf.ServerName) (keys []sequence.ServerKey) {
	for _, name := range names {
		keys = append(keys, sequence.ServerKey(name))
	}
	return keys
}
