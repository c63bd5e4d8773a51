//go:build e2e

package e2e

import (
	"strings"
	"time"

	"github.com/musterhq/muster/test/cluster"
)

// containers lists the project's containers on all engines.
func (p *project) containers() map[string]cluster.Container {
	p.Helper()
	all, err := p.c.Containers(p.ctx())
	if err != nil {
		p.Fatal(err)
	}
	for id, c := range all {
		if !p.owns(c) {
			delete(all, id)
		}
	}
	return all
}

// here lists the project's containers on some hosts only, so that the engines
// of others needn't answer.
func (p *project) here(hosts ...string) map[string]cluster.Container {
	p.Helper()
	out := map[string]cluster.Container{}
	for _, host := range hosts {
		list, err := p.c.ContainersOn(p.ctx(), host)
		if err != nil {
			p.Fatal(err)
		}
		for _, c := range list {
			if p.owns(c) {
				out[c.ID] = c
			}
		}
	}
	return out
}

func (p *project) owns(c cluster.Container) bool {
	return strings.HasPrefix(c.Name, "muster-"+p.name+"-")
}

// untouched fails unless the project's containers are these, and none of them
// was touched.
func (p *project) untouched(before map[string]cluster.Container) {
	p.Helper()
	after := p.containers()
	p.same(before, after)
	if len(after) != len(before) {
		p.Errorf("%d containers, were %d", len(after), len(before))
	}
}

// intact fails when one of these containers is gone or was touched. Only the
// engines of their hosts need to answer.
func (p *project) intact(before map[string]cluster.Container) {
	p.Helper()
	hosts := map[string]bool{}
	after := map[string]cluster.Container{}
	for _, c := range before {
		if hosts[c.Host] {
			continue
		}
		hosts[c.Host] = true
		for id, c := range p.here(c.Host) {
			after[id] = c
		}
	}
	p.same(before, after)
}

func (p *project) same(before, after map[string]cluster.Container) {
	p.Helper()
	for id, was := range before {
		is, there := after[id]
		switch {
		case !there:
			p.Errorf("container %s on %s is gone", was.Name, was.Host)
		case is != was:
			p.Errorf("container %s on %s was touched: %+v, was %+v", was.Name, was.Host, is, was)
		}
	}
}

// others are all hosts but one.
func others(than string) []string {
	var out []string
	for _, name := range names {
		if name != than {
			out = append(out, name)
		}
	}
	return out
}

// restartsOne kills one of these containers, leaves it out of them, and waits
// until its agent has started it again.
func (p *project) restartsOne(of map[string]cluster.Container) {
	p.Helper()
	for id, c := range of {
		p.must(p.c.Fleet.Host(c.Host).Docker(p.ctx(), "kill", id).Run())
		delete(of, id)
		p.until(20*time.Second, "it runs again", func() (bool, string) {
			now := p.containers()[id]
			return now.State == "running" && now.Started != c.Started, now.State
		})
		return
	}
	p.Fatal("there is no container to kill")
}
