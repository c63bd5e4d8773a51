package api

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/shared/fleet"
)

// LogQuery says which output is wanted, and how.
type LogQuery struct {
	Tail       int    `query:"tail" default:"200" minimum:"0" maximum:"10000" doc:"How many of the last lines of each instance; 0 with follow: all"`
	Follow     bool   `query:"follow" doc:"Go on with what is written"`
	Since      string `query:"since" doc:"Only what was written since: a time (RFC 3339), or how long ago (10m)"`
	Timestamps bool   `query:"timestamps" doc:"Each line begins with when it was written, by its host's clock"`

	since time.Duration
}

// Resolve implements huma.Resolver.
func (q *LogQuery) Resolve(huma.Context) []error {
	if q.Tail == 0 && !q.Follow {
		return []error{&huma.ErrorDetail{Location: "query.tail", Message: "has to be 1 or more, unless follow is there", Value: q.Tail}}
	}
	if q.Since == "" {
		return nil
	}
	var err error
	if q.since, err = time.ParseDuration(q.Since); err != nil {
		at, wrong := time.Parse(time.RFC3339Nano, q.Since)
		if wrong != nil {
			return []error{&huma.ErrorDetail{Location: "query.since", Message: "is neither a time (2026-01-02T15:04:05Z) nor how long ago (10m)", Value: q.Since}}
		}
		q.since = time.Since(at)
	}
	q.since = max(q.since, time.Millisecond) // 0 would be: whenever
	return nil
}

// lastLines makes the questions for a query that doesn't follow.
func (a *API) lastLines(ctx context.Context, instances []fleet.InstanceView, q LogQuery) (func(fleet.InstanceView) fleet.Ask, error) {
	if q.Since != "" || q.Timestamps {
		for _, instance := range instances {
			if can, err := a.follows(ctx, instance.Host); err != nil {
				return nil, err
			} else if !can {
				return nil, tooOld(instance.Host)
			}
		}
	}
	return func(instance fleet.InstanceView) fleet.Ask {
		return fleet.Ask{Do: fleet.AskLogs, Instance: instance.ID, Tail: q.Tail, Since: fleet.Duration(q.since), Stamps: q.Timestamps}
	}, nil
}

// follows says whether a host's agent knows more of logs than their last lines.
func (a *API) follows(ctx context.Context, host string) (can bool, err error) {
	err = a.read(ctx, func(view View) {
		if h, known := view.Host(host); known {
			can = slices.Contains(h.Facts.Features, fleet.FeatureFollow)
		}
	})
	return can, err
}

func tooOld(host string) *fleet.Error {
	return unavailable("the agent of host %s is older, and only shows the last lines", host).WithHint("upgrade it; or leave out follow, since and timestamps")
}
