package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// A prefix has one ban. A ban of SIP over UDP that lasts for hours may be replaced by a brief
// ban of all ports, after guesses over TCP whose address may be spoofed. When that has run
// out, the longer ban goes on: a ban never shortens another.

// interrupted is a ban that a brief one has replaced.
type interrupted struct {
	ban   incident.Ban
	until time.Time // the end of the brief one
}

// resumption is what goes on after brief bans.
type resumption struct {
	bans    *bans.Registry
	waiting []interrupted                 // bans that go on after a brief one, the next first
	resumed map[netip.Prefix]incident.Ban // the brief ones, by the prefix of one that goes on
}

// interrupt keeps the ban that a brief one replaces, if it lasts longer.
func (r *resumption) interrupt(brief incident.Ban) {
	was, ok := r.bans.Exact(brief.Since, brief.Prefix)
	if brief.Scope != incident.ScopeBrief || !ok || was.Scope != incident.ScopeSIP || !was.Forever() && !was.Until.After(brief.Until) {
		return
	}
	r.waiting = append(r.waiting, interrupted{was, brief.Until}) // at most one for each ban in force
}

// due are the bans that go on now, since their brief one has run out. One that was released
// or replaced meanwhile is gone.
func (r *resumption) due(now time.Time) (list []incident.Ban) {
	for len(r.waiting) > 0 && !r.waiting[0].until.After(now) { // all brief ones are equally long
		x := r.waiting[0]
		r.waiting = r.waiting[1:]
		brief, ended := r.bans.Renewable(now, x.ban.Prefix)
		if !ended || !brief.Until.Equal(x.until) || !x.ban.InForce(now) {
			continue
		}
		if x.ban.Began.IsZero() {
			x.ban.Began = x.ban.Since
		}
		x.ban.Since = now
		if r.resumed == nil {
			r.resumed = map[netip.Prefix]incident.Ban{}
		}
		r.resumed[x.ban.Prefix] = brief
		list = append(list, x.ban)
	}
	return list
}

// resumeBans has bans go on whose brief one has run out.
func (j *Judge) resumeBans(now time.Time) {
	for _, ban := range j.resumption.due(now) {
		j.makeRoom(ban)
		j.Bans.Put(ban)
		j.effects.Prolong(ban)
	}
}

// from is the brief ban that has just run out, if a longer one went on after it. One more
// failure over a connection brings it back, as it would without the longer one.
func (r *resumption) from(now time.Time, prefix netip.Prefix) (brief incident.Ban, ok bool) {
	brief, ok = r.resumed[prefix]
	return brief, ok && now.Sub(brief.Until) < resumedFor
}

// resumedFor is how long after its end a failure brings a brief ban back.
const resumedFor = time.Hour

func (r *resumption) forget(now time.Time) {
	for prefix, brief := range r.resumed {
		if now.Sub(brief.Until) >= resumedFor {
			delete(r.resumed, prefix)
		}
	}
}
