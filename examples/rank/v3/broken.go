package main

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	failEvery = 20                     // one of so many requests fails
	slower    = 120 * time.Millisecond // than it has to be
)

// broken makes every request slower, and counts them, so that the same ones
// fail each time: the twentieth, the fortieth …
func broken(pages http.Handler) http.Handler {
	var requests atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			pages.ServeHTTP(w, r)
			return
		}
		n := requests.Add(1)
		select {
		case <-time.After(slower):
		case <-r.Context().Done(): // nobody waits for the answer
			return
		}
		if n%failEvery == 0 {
			http.Error(w, "version 3 is broken on purpose", http.StatusInternalServerError)
			return
		}
		pages.ServeHTTP(w, r)
	})
}
