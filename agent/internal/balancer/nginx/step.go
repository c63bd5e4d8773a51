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

const (
	// retryPause is the pause after something went wrong.
	retryPause = 500 * time.Millisecond
	// busyLimit is how long nginx may be unreadable before that is a problem.
	busyLimit = 5 * time.Second
	// finishTime bounds what is done after the order to end.
	finishTime = 5 * time.Second
	// maxRush is how many turns may follow each other without a pause.
	maxRush = 20
	// programPause is the pause while there is no nginx to run.
	programPause = 5 * time.Second
)

// errRejected says that the pools at fault are kept back, and reported so.
var errRejected = errors.New("a pool's section was rejected")

// step looks once and does what is due. It returns the pause until the next.
func (b *Balancer) step(ctx context.Context) time.Duration {
	programProblem := b.lookAtProgram(ctx)
	if programProblem != nil && !b.program.known() {
		if ctx.Err() == nil {
			b.publish(false, text(programProblem), nil)
		}
		return programPause
	}
	b.shortenLog()
	fileProblem := b.lookAtFile()
	if b.loaded {
		b.lookAtCertificates(ctx)
	}
	seen, err := b.observe(ctx)
	if err != nil {
		return b.unreadable(ctx, err)
	}
	b.busyFrom = time.Time{}
	b.account()
	b.checker.follow(targets(b.wanted(), b.memory.Filed))
	turn := sequence.NextByFile(b.wanted(), seen, b.memory, time.Now(), b.byFile())
	b.memory = turn.Memory
	b.unfinished = len(turn.Actions) > 0
	if !seen.Up {
		b.publish(false, text(errors.Join(fileProblem, b.down())), turn.Report)
	}
	problem, failed := errors.Join(fileProblem, programProblem, b.otherVersion()), false
	for _, action := range turn.Actions {
		if ctx.Err() != nil {
			return 0
		}
		err := b.perform(ctx, action)
		if err == nil {
			b.log.Debug("balancer action", "action", action.String())
			continue
		}
		b.log.Warn("balancer action failed", "action", action.String(), "error", err)
		if errors.Is(err, errRejected) {
			continue // the next turn does without
		}
		failed = true
		if problem == nil {
			problem = err
		}
	}
	if seen.Up {
		b.fault = nil
		if problem == nil && b.memory.Unloaded.Problem != "" {
			problem = errors.New(b.memory.Unloaded.Problem)
		}
		if problem == nil {
			problem = b.certificates.Problem(b.memory.Filed)
		}
		b.publish(true, text(problem), turn.Report)
	}
	if failed {
		b.unfinished = ctx.Err() != nil
		return retryPause
	}
	return b.paced(turn.Wake)
}

func (b *Balancer) byFile() sequence.ByFile {
	p := b.pace()
	return sequence.ByFile{Gather: p.gather, Apart: p.apart, Structure: b.structure}
}

func (b *Balancer) structure(pools []fleet.Pool, down []sequence.ServerKey) string {
	return lbconf.NginxStructure(b.input(pools, names(down)))
}

// paced lets turns follow each other at once, but not for ever.
func (b *Balancer) paced(wake time.Duration) time.Duration {
	if wake > 0 {
		b.rush = 0
		return wake
	}
	b.rush++
	if b.rush > maxRush {
		return sequence.MotionWake
	}
	return 0
}

// lookAtFile reads the file at first and watches it then.
func (b *Balancer) lookAtFile() error {
	if !b.loaded {
		if err := makeDirs(b.options.Dir); err != nil {
			return err
		}
		pools, err := b.file.Load()
		if err != nil {
			return err
		}
		if content := b.file.Content(); content != nil {
			down, err := lbconf.NginxDown(content)
			if err != nil {
				return err
			}
			b.memory.Down, b.memory.Structure = keys(down), lbconf.NginxTells(content)
		}
		b.memory.Filed, b.loaded = pools, true
		return nil
	}
	stale, err := b.file.Intact()
	b.memory.Stale = b.memory.Stale || stale
	return err
}

func (b *Balancer) unreadable(ctx context.Context, err error) time.Duration {
	b.unfinished = b.unfinished && ctx.Err() != nil
	if ctx.Err() != nil {
		return 0
	}
	if b.busyFrom.IsZero() {
		b.busyFrom = time.Now()
	}
	if b.reported != nil && time.Since(b.busyFrom) > busyLimit {
		b.publish(b.reported.Up, err.Error()+b.wayOut(), b.reported.Pools)
	}
	return sequence.MotionWake
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

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// down says that there is no nginx at the moment, and why.
func (b *Balancer) down() error {
	err := errors.New("nginx isn't running; it is started again")
	if b.fault != nil {
		err = fmt.Errorf("%w: %w", err, b.fault)
	}
	return err
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

// makeDirs makes the balancer's directory and what nginx wants to be in it.
func makeDirs(dir string) error {
	if err := balancer.MakeDir(dir); err != nil {
		return err
	}
	return balancer.MakeDir(dir + "/temp")
}
