package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/examples/rank/rpc"
	"github.com/musterhq/muster/test/load"
)

const (
	perSecond = 200 // requests, so that even 5 % of them tell something soon
	cells     = 20  // of the bar of shares
)

// traffic is constant load through the balancer that never tries again.
type traffic struct {
	generator *load.Generator
	ended     chan error
	last      load.Result // as of the last line
}

// startTraffic enters a person again and again by HTTP.
func startTraffic(ctx context.Context, address string) (*traffic, error) {
	o, err := requests(address)
	if err != nil {
		return nil, err
	}
	return start(ctx, o)
}

func requests(address string) (load.Options, error) {
	body, err := json.Marshal(people[0])
	o := load.DefaultOptions("http://" + address + ":8080/people")
	o.Rate, o.Total, o.SlowShare, o.WebSockets = perSecond, 1_000_000, 0, 0
	o.Body, o.ContentType = body, "application/json"
	return o, err
}

// startCalls asks for the board by gRPC, ten times a second, which only a version
// that has it can answer.
func startCalls(ctx context.Context, address string) (*traffic, error) {
	o, err := requests(address)
	if err != nil {
		return nil, err
	}
	o.Rate, o.IdleConns = 1, 0
	o.Callers, o.CallTarget, o.CallMethod, o.CallEvery = 5, address+":9090", rpc.Leaderboard_Top_FullMethodName, time.Second/2
	return start(ctx, o)
}

func start(ctx context.Context, o load.Options) (*traffic, error) {
	generator, err := load.New(o)
	if err != nil {
		return nil, err
	}
	t := &traffic{generator: generator, ended: make(chan error, 1)}
	go func() {
		_, err := generator.Run(ctx)
		t.ended <- err
	}()
	return t, nil
}

// end waits for what is in flight, and returns what became of all.
func (t *traffic) end(ctx context.Context) (load.Result, error) {
	if err := t.generator.Stop(ctx); err != nil {
		return load.Result{}, err
	}
	return t.generator.Snapshot(), <-t.ended
}

// line says who has answered since the last line, and what has failed so far:
// lost on the way, or refused by the service itself.
func (t *traffic) line() string {
	now := t.generator.Snapshot()
	before := t.last
	t.last = now
	return fmt.Sprintf("%s  lost %d, refused %d", shares(before.ByVersion, now.ByVersion), now.Lost(), now.Failed-now.Lost())
}

// shares draws who answered between two counts: "[11111111111111111112]  1: 95 %  2: 5 %".
// A cell is 5 %, and a version that answered at all has one.
func shares(before, now map[string]int) string {
	total, most := 0, ""
	cellsOf, left := map[string]int{}, cells
	versions := slices.SortedFunc(maps.Keys(now), byNumber)
	answered := func(version string) int { return now[version] - before[version] }
	versions = slices.DeleteFunc(versions, func(version string) bool { return answered(version) == 0 })
	for _, version := range versions {
		total += answered(version)
	}
	if total == 0 {
		return "[" + strings.Repeat(" ", cells) + "]  no answers"
	}
	for _, version := range versions {
		cellsOf[version] = max(1, (answered(version)*cells+total/2)/total)
		left -= cellsOf[version]
		if most == "" || answered(version) > answered(most) {
			most = version
		}
	}
	cellsOf[most] += left
	bar, words := "", ""
	for _, version := range versions {
		bar += strings.Repeat(version[len(version)-1:], cellsOf[version])
		words += fmt.Sprintf("  %s: %.0f %%", version, 100*float64(answered(version))/float64(total))
	}
	return "[" + bar + "]" + words
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a) // what is no number comes first
	y, _ := strconv.Atoi(b)
	return x - y
}
