package daemon

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/control"
)

// gaps are the times without events.
type gaps struct {
	stoppedAt time.Time   // when the previous run last heard from Asterisk; zero if there was none
	logIsRead func() bool // Asterisk's log is read, which covers a gap
	record    func(from, to time.Time, learnt string)
	alarm     func(alarm)

	count  atomic.Uint64
	length atomic.Int64 // nanoseconds, of all
	last   atomic.Pointer[control.Gap]
}

// before is the time without events before a session: since the session before
// it, or since the previous run.
func (g *gaps) before(now time.Time, sinceSession ami.Gap) ami.Gap {
	switch {
	case !sinceSession.IsZero():
		return sinceSession
	case g.stoppedAt.IsZero():
		return ami.Gap{}
	}
	return ami.Gap{From: g.stoppedAt, To: now}
}

// add counts and records a gap, and raises an alarm for one that is not short.
func (g *gaps) add(gap ami.Gap) {
	g.count.Add(1)
	g.length.Add(int64(gap.Length()))
	inLog := g.logIsRead()
	g.last.Store(&control.Gap{From: gap.From, To: gap.To, InLog: inLog})
	learnt, covered := "", "; no log covers that time, so attacks went unseen"
	if inLog {
		learnt, covered = "Asterisk's log is read for that time, as far as it goes back", "; Asterisk's log is read for that time"
	}
	g.record(gap.From, gap.To, learnt)
	if gap.Length() >= alarmAfter {
		g.alarm(alarm{
			Event: alarmGap, At: gap.To,
			Text: fmt.Sprintf("no events arrived from %s to %s%s", gap.From.UTC().Format(time.RFC3339), gap.To.UTC().Format(time.RFC3339), covered),
		})
	}
}
