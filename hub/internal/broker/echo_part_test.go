package broker

import (
	"testing"
	"testing/synctest"
	"time"
)

// An answer that is awaited comes once, however the wait ends.
func TestTheWaitForAnAnswerEnds(t *testing.T) {
	answer := []byte("taken in")
	whole := len(publishPacket("t", answer))
	for name, c := range map[string]struct {
		happens func(e *echo, closed chan struct{})
		size    int
		took    time.Duration
	}{
		"an answer":         {func(e *echo, _ chan struct{}) { e.put(answer) }, whole, 0},
		"another way":       {func(e *echo, _ chan struct{}) { e.release() }, confirmation, 0},
		"a closed peer":     {func(_ *echo, closed chan struct{}) { close(closed) }, confirmation, 0},
		"nothing":           {func(*echo, chan struct{}) {}, confirmation, maxEchoWait},
		"an answer, late":   {func(e *echo, _ chan struct{}) { time.Sleep(maxEchoWait / 2); e.put(answer) }, whole, maxEchoWait / 2},
		"an answer, twice":  {func(e *echo, _ chan struct{}) { e.put(answer); e.put(answer) }, whole, 0},
		"both ways at once": {func(e *echo, _ chan struct{}) { e.release(); e.put(answer) }, confirmation, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, closed := newEcho("t"), make(chan struct{})
				if e.put(answer) {
					t.Error("it is taken before it is awaited")
				}
				e.await()
				go c.happens(e, closed)
				began := time.Now()
				got := e.take(true, closed)
				if took := time.Since(began); len(got) != c.size || took != c.took {
					t.Errorf("%d bytes after %v, want %d after %v", len(got), took, c.size, c.took)
				}
				synctest.Wait()
				if e.put(answer) || len(e.packets) != 0 {
					t.Error("something is left of it")
				}
			})
		})
	}
}
