package people

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

const (
	gathered    = 10 * time.Second // what is the same within this time is one entry
	gatheredFor = 10 * time.Minute // that somebody came in again
	trailKinds  = 100              // refusals that are told apart at a time; the rest is one entry
	anotherKind = time.Minute      // after which one more is told apart, when there were that many
)

// trail writes what may come often and changes nothing: refusals, and logins of
// those who log in for every message. The first of a kind is written at once, and
// what follows it within a while is counted and written with its number, so that
// somebody who guesses can't fill the store.
type trail struct {
	store Store

	mu    sync.Mutex // guards what follows
	kinds map[kind]*gathering
	rest  gathering // of more kinds than are told apart
	apart int       // refusals that were told apart,
	less  time.Time // and when that was reckoned one less: they are bounded over days, too
}

type kind struct{ who, from, do, subject, result string }

type gathering struct {
	last  fleet.AuditEntry
	more  int
	until time.Time
}

func newTrail(store Store) *trail { return &trail{store: store, kinds: map[kind]*gathering{}} }

// add writes an entry, or counts it.
func (t *trail) add(entry fleet.AuditEntry, during time.Duration, now time.Time) error {
	entry.Time = now.UTC()
	entry.Who, entry.Subject, entry.Message = fleet.Clip(entry.Who, 80), fleet.Clip(entry.Subject, 200), fleet.Clip(entry.Message, 500)
	t.mu.Lock()
	due := t.due(now)
	is := kind{entry.Who, entry.From, entry.Do, entry.Subject, entry.Result}
	switch g := t.kinds[is]; {
	case g != nil:
		g.last, g.more = entry, g.more+1
	case entry.Result == fleet.AuditRefused && !t.tellApart(now):
		if t.rest.more == 0 {
			t.rest.until = now.Add(gathered)
		}
		t.rest.last, t.rest.more = entry, t.rest.more+1
	default:
		if len(t.kinds) < 10*trailKinds {
			t.kinds[is] = &gathering{until: now.Add(during)}
		}
		due = append(due, entry)
	}
	t.mu.Unlock()
	return t.write(due)
}

// tellApart says whether one more refusal may be an entry of its own. Its caller
// holds mu.
func (t *trail) tellApart(now time.Time) bool {
	if n := int(now.Sub(t.less) / anotherKind); n > 0 {
		t.apart, t.less = max(0, t.apart-n), now
	}
	if t.apart >= trailKinds {
		return false
	}
	t.apart++
	return true
}

// flush writes what was counted and is due; with all: everything.
func (t *trail) flush(now time.Time) error {
	t.mu.Lock()
	due := t.due(now)
	t.mu.Unlock()
	return t.write(due)
}

func (t *trail) write(entries []fleet.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	return t.store.Keep(nil, entries...)
}

// due takes out what has been gathered for long enough. Its caller holds mu.
func (t *trail) due(now time.Time) (due []fleet.AuditEntry) {
	for is, g := range t.kinds {
		if now.Before(g.until) {
			continue
		}
		delete(t.kinds, is)
		if g.more > 0 {
			g.last.Message = fmt.Sprintf("%s (%d times more)", g.last.Message, g.more)
			due = append(due, g.last)
		}
	}
	if t.rest.more > 0 && !now.Before(t.rest.until) {
		t.rest.last.Message = fmt.Sprintf("%d refusals of many kinds; the last: %s", t.rest.more, t.rest.last.Message)
		due = append(due, t.rest.last)
		t.rest = gathering{}
	}
	slices.SortFunc(due, func(a, b fleet.AuditEntry) int { return a.Time.Compare(b.Time) })
	return due
}
