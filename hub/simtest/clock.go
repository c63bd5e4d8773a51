package simtest

import "time"

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
	c.due.push(appointment{at: when, serial: c.serial, do: do})
}

// next does what is due first, unless that is after end.
func (c *clock) next(end time.Time) bool {
	if len(c.due) == 0 || c.due[0].at.After(end) {
		c.now = end
		return false
	}
	first := c.due.pop()
	c.now = first.at
	first.do()
	return true
}

// appointments are a heap: the first is due first.
type appointments []appointment

func (a appointments) before(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].serial < a[j].serial
}

func (a *appointments) push(x appointment) {
	*a = append(*a, x)
	all := *a
	for i := len(all) - 1; i > 0 && all.before(i, (i-1)/2); i = (i - 1) / 2 {
		all[i], all[(i-1)/2] = all[(i-1)/2], all[i]
	}
}

func (a *appointments) pop() appointment {
	all := *a
	first, last := all[0], len(all)-1
	all[0], all[last] = all[last], appointment{}
	all = all[:last]
	*a = all
	for i := 0; ; {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < last && all.before(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		all[i], all[least] = all[least], all[i]
		i = least
	}
}
