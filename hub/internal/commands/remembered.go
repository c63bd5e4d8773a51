package commands

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/musterhq/muster/shared/fleet"
)

// remembered are the results of commands that have a name, for who gives one again.
// Changes are remembered by the fleet's loop, too, and on disk.
type remembered struct {
	most, bytes int
	keep        time.Duration

	mu     sync.Mutex // guards the rest
	known  map[string]*memory
	order  []string // keys, the oldest first
	stored int      // bytes of all results
}

// memory is one command: under way, or with its result.
type memory struct {
	content [sha256.Size]byte
	done    chan struct{} // closed when it isn't under way any more
	result  *fleet.CommandResult
	at      time.Time
}

func newRemembered(l Limits) remembered {
	return remembered{most: l.Results, bytes: l.Bytes, keep: l.For, known: map[string]*memory{}}
}

// begin takes a command by its name. One that was carried out before has a result;
// one that is under way is waited for; another one of the same name is refused.
// Otherwise the caller carries it out, and releases it with what is to be remembered;
// nil: nothing.
func (m *remembered) begin(ctx context.Context, key, content string) (before *fleet.CommandResult, release func(*fleet.CommandResult, time.Time), err error) {
	sum := sha256.Sum256([]byte(content))
	for {
		m.mu.Lock()
		known := m.known[key]
		if known == nil {
			mine := &memory{content: sum, done: make(chan struct{})}
			m.known[key] = mine
			m.mu.Unlock()
			return nil, func(r *fleet.CommandResult, now time.Time) { m.release(key, mine, r, now) }, nil
		}
		result := known.result
		m.mu.Unlock()
		switch {
		case known.content != sum:
			return nil, nil, fleet.Conflict("id", "it named another command before").WithHint("use a new id for a new command")
		case result != nil:
			return result, nil, nil
		}
		select {
		case <-known.done:
		case <-ctx.Done():
			return nil, nil, busy("the same command is under way")
		}
	}
}

func (m *remembered) release(key string, mine *memory, r *fleet.CommandResult, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(mine.done)
	if r == nil {
		delete(m.known, key)
		return
	}
	mine.result, mine.at = r, now
	m.order = append(m.order, key)
	m.stored += size(r)
	for len(m.order) > 0 {
		oldest := m.known[m.order[0]]
		if len(m.order) <= m.most && m.stored <= m.bytes && now.Sub(oldest.at) <= m.keep {
			return
		}
		m.stored -= size(oldest.result)
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}

// size is about what a result takes in memory.
func size(r *fleet.CommandResult) int {
	return 512 + len(r.Output) + len(r.Message) + len(r.Hint) + len(r.Do)
}
