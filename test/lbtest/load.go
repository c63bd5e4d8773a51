package lbtest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is a crowd of clients with a steady pace each. One in five sends slow
// requests, one in four keeps no connection.
type load struct {
	sent, failed atomic.Int64
	mu           sync.Mutex // guards errors
	errors       map[string]int
	stop         chan struct{}
	group        sync.WaitGroup
}

func (d *Driver) startLoad(t testing.TB, address string, clients int, gap time.Duration) *load {
	return d.startLoadBy(t, Client{Address: address}, clients, gap)
}

// startLoadBy has clients like one.
func (d *Driver) startLoadBy(t testing.TB, one Client, clients int, gap time.Duration) *load {
	one.Again = !d.KeepsClients
	l := &load{stop: make(chan struct{}), errors: map[string]int{}}
	for i := range clients {
		l.group.Go(func() { l.work(one, i, gap) })
	}
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) work(c Client, number int, gap time.Duration) {
	defer c.Close()
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-time.After(gap):
		}
		path := "/"
		if number%5 == 0 {
			path = "/slow"
		}
		if number%4 == 1 {
			c.Close()
		}
		_, err := c.Post(path)
		l.sent.Add(1)
		if err != nil {
			l.failed.Add(1)
			l.mu.Lock()
			l.errors[err.Error()]++
			l.mu.Unlock()
		}
	}
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.group.Wait()
}

// lostNothing ends the load and wants every request to have been answered.
func (l *load) lostNothing(t testing.TB) {
	t.Helper()
	l.end()
	t.Logf("%d of %d POSTs failed: %v", l.failed.Load(), l.sent.Load(), l.errors)
	if l.failed.Load() != 0 || l.sent.Load() == 0 {
		t.Error("requests were lost")
	}
}
