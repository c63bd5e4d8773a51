package simtest

import (
	"container/heap"
	"time"
)

// clock is virtual time: what is due, in order. Two things that are due at
// the same time happen in the order in which they were asked for.
type clock struct {
	now    time.Time
	serial uint64
	due    appointments
}

type appointment struct {
	at     time.Time
	serial uint64
	do     func()
}

func (c *clock) after(wait time.Duration, do func()) { c.at(c.now.Add(max(wait, 0)), do) }

func (c *clock) at(when time.Time, do func()) {
	if when.Before(c.now) {
		when = c.now
	}
	c.serial++
	heap.Push(&c.due, appointment{at: when, serial: c.serial, do: do})
}

// next does what is due first, unless that is after end.
func (c *clock) next(end time.Time) bool {
	if len(c.due) == 0 || c.due[0].at.After(end) {
		c.now = end
		return false
	}
	first := heap.Pop(&c.due).(appointment)
	c.now = first.at
	first.do()
	return true
}

type appointments []appointment

func (a appointments) Len() int { return len(a) }

func (a appointments) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].serial < a[j].serial
}

func (a appointments) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

func (a *appointments) Push(x any) { *a = append(*a, x.(appointment)) }

func (a *appointments) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
