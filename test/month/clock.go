package month

import (
	"container/heap"
	"time"
)

// clock is virtual time and what is due.
type clock struct {
	now    time.Time
	due    appointments
	serial int
}

// appointment is something that happens at a time.
type appointment struct {
	at     time.Time
	serial int // keeps the order of what happens at once
	do     func()
}

// at has something done at a time; at once, if that has passed.
func (c *clock) at(t time.Time, do func()) {
	if t.Before(c.now) {
		t = c.now
	}
	c.serial++
	heap.Push(&c.due, appointment{t, c.serial, do})
}

// after has something done when some time has passed.
func (c *clock) after(d time.Duration, do func()) { c.at(c.now.Add(d), do) }

// every has something done again and again.
func (c *clock) every(d time.Duration, do func()) {
	c.after(d, func() {
		do()
		c.every(d, do)
	})
}

// run lets the time pass.
func (c *clock) run(until time.Time) {
	for len(c.due) > 0 && !c.due[0].at.After(until) {
		a := heap.Pop(&c.due).(appointment)
		c.now = a.at
		a.do()
	}
	c.now = until
}

type appointments []appointment

func (a appointments) Len() int { return len(a) }
func (a appointments) Less(i, j int) bool {
	if c := a[i].at.Compare(a[j].at); c != 0 {
		return c < 0
	}
	return a[i].serial < a[j].serial
}
func (a appointments) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *appointments) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *appointments) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = appointment{}
	*a = (*a)[:last]
	return x
}
