package api

import "sync"

// rights tells streams that last when somebody's rights have changed, so that they
// look whether they still may.
type rights struct {
	mu      sync.Mutex    // guards changed
	changed chan struct{} // closed, and made anew, when they have
}

func newRights() *rights { return &rights{changed: make(chan struct{})} }

func (r *rights) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Changed has all streams look again whether they still may go on.
func (a *API) Changed(string) {
	a.rights.mu.Lock()
	defer a.rights.mu.Unlock()
	close(a.rights.changed)
	a.rights.changed = make(chan struct{})
}
