package api

import (
	"crypto/rand"
	"sync"

	"github.com/musterhq/muster/shared/fleet"
)

// answers are those of agents that somebody waits for.
type answers struct {
	limit int

	mu      sync.Mutex                   // guards waiting
	waiting map[string]chan fleet.Answer // by host and question; each gets one at most
}

func newAnswers(limit int) *answers {
	return &answers{limit: limit, waiting: map[string]chan fleet.Answer{}}
}

// expect makes room for the answer to a question that a host will be asked. The
// caller has to forget it.
func (a *answers) expect(host string) (id string, answer <-chan fleet.Answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= a.limit {
		return "", nil, unavailable("too many hosts are being asked").WithHint("try again later")
	}
	id, answered := rand.Text(), make(chan fleet.Answer, 1)
	a.waiting[host+"/"+id] = answered
	return id, answered, nil
}

func (a *answers) forget(host, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, host+"/"+id)
}

// take hands an answer to the one who waits for it, if anybody does.
func (a *answers) take(host string, answer fleet.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if answered := a.waiting[host+"/"+answer.ID]; answered != nil {
		delete(a.waiting, host+"/"+answer.ID)
		answered <- answer
	}
}
