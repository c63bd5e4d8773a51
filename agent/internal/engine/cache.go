package engine

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/agent/brain"
)

// cache keeps what an inspection said of a container, until the engine's list
// shows that it changed, an event tells of a change, or it is too old. While
// no events are followed only failures are kept: what people change on a
// container's resources doesn't show in the list.
type cache struct {
	mu       sync.Mutex // guards all below
	entries  map[string]entry
	made     map[string]string // containers made here -> the instances in their labels, which never change
	streams  int               // event streams that are open
	sequence uint64            // raised by each invalidation
	all      uint64            // sequence of the last one of everything
	one      map[string]uint64 // and of a single container
}

func newCache() cache {
	return cache{entries: map[string]entry{}, made: map[string]string{}, one: map[string]uint64{}}
}

type entry struct {
	key       string
	until     time.Time // when it is to be inspected again
	container brain.Container
}

// get returns what is known, as long as it can be trusted.
func (c *cache) get(id, key string, now time.Time) (brain.Container, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok || e.key != key || !now.Before(e.until) || c.streams == 0 && e.container.Problem == "" {
		return brain.Container{}, false
	}
	return e.container, true
}

// mark is taken before an inspection, for put.
func (c *cache) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sequence
}

// put keeps the outcome of an inspection, unless the container changed meanwhile.
func (c *cache) put(id string, mark uint64, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if max(c.all, c.one[id]) <= mark {
		c.entries[id] = e
	}
}

// make notes for which instance a container was made.
func (c *cache) make(id, instance string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[id] = instance
}

// madeFor is the instance that a container was made for; empty: it isn't known.
func (c *cache) madeFor(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[id]
}

// retain forgets all containers but those listed. One that was made meanwhile
// is asked for once more.
func (c *cache) retain(listed []container.Summary) {
	ids := make(map[string]bool, len(listed))
	for i := range listed {
		ids[listed[i].ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.entries, func(id string, _ entry) bool { return !ids[id] })
	maps.DeleteFunc(c.made, func(id, _ string) bool { return !ids[id] })
	maps.DeleteFunc(c.one, func(id string, _ uint64) bool { return !ids[id] })
}

// invalidate forgets one container.
func (c *cache) invalidate(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, id)
	c.sequence++
	c.one[id] = c.sequence
}

// follow notes that an event stream opened (1) or ended (-1). What was known
// before is forgotten: events may have been missed.
func (c *cache) follow(change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams += change
	c.sequence++
	c.all = c.sequence
	clear(c.entries)
}

// listKey is all that the list says of a container and that an inspection
// would say in full. A network endpoint is new after each start.
func listKey(s *container.Summary) string {
	parts := []string{s.State, listedHealth(s.Status)}
	parts = append(parts, s.Names...)
	if s.NetworkSettings != nil {
		for _, name := range slices.Sorted(maps.Keys(s.NetworkSettings.Networks)) {
			parts = append(parts, name)
			if endpoint := s.NetworkSettings.Networks[name]; endpoint != nil {
				parts = append(parts, endpoint.EndpointID)
			}
		}
	}
	return strings.Join(parts, "\x00")
}

// listedHealth takes "(healthy)", "(unhealthy)", "(health: starting)" or the
// exit code out of a status like "Up 5 minutes (healthy)".
func listedHealth(status string) string {
	_, rest, found := strings.Cut(status, "(")
	if !found {
		return ""
	}
	inner, _, _ := strings.Cut(rest, ")")
	return inner
}
