package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// A prefix has one ban. One that closes SIP over UDP for hours may be followed by a brief one
// of everything, after guesses over TCP whose address may be made up. When that has run out,
// the longer one goes on: a ban never shortens another.

// overtaken is a ban that a brief one took the place of.
type overtaken struct {
	ban   incident.Ban
	until time.Time // the end of the brief one
}

// overtake keeps the ban in force that a brief one takes the place of, if it lasts longer.
func (j *Judge) overtake(brief incident.Ban) {
	was, ok := j.Bans.Exact(brief.Since, brief.Prefix)
	if brief.Scope != incident.ScopeBrief || !ok || was.Scope != incident.ScopeSIP || !was.Forever() && !was.Until.After(brief.Until) {
		return
	}
	j.overtaken = append(j.overtaken, overtaken{was, brief.Until}) // at most one for each ban in force
}

// resumeBans has bans go on whose brief one has run out. One that was released or replaced
// meanwhile is gone.
func (j *Judge) resumeBans(now time.Time) {
	for len(j.overtaken) > 0 && !j.overtaken[0].until.After(now) { // all brief ones are equally long
		x := j.overtaken[0]
		j.overtaken = j.overtaken[1:]
		brief, ended := j.Bans.Renewable(now, x.ban.Prefix)
		if !ended || !brief.Until.Equal(x.until) || !x.ban.InForce(now) {
			continue
		}
		if x.ban.Began.IsZero() {
			x.ban.Began = x.ban.Since
		}
		x.ban.Since = now
		if j.resumed == nil {
			j.resumed = map[netip.Prefix]incident.Ban{}
		}
		j.resumed[x.ban.Prefix] = brief
		j.makeRoom(x.ban)
		j.Bans.Put(x.ban)
		j.effects.Prolong(x.ban)
	}
}

// resumedFrom is the brief ban that has just run out, if a longer one went on after it: one
// more failure over a connection brings it back, as it would without the longer one.
func (j *Judge) resumedFrom(now time.Time, prefix netip.Prefix) (brief incident.Ban, ok bool) {
	brief, ok = j.resumed[prefix]
	return brief, ok && now.Sub(brief.Until) < resumedFor
}

// resumedFor is how long that is so.
const resumedFor = time.Hour

func (j *Judge) forgetResumed(now time.Time) {
	for prefix, brief := range j.resumed {
		if now.Sub(brief.Until) >= resumedFor {
			delete(j.resumed, prefix)
		}
	}
}
