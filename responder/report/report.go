package report

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/texts"
)

// Style is how pages are written.
type Style struct {
	Language *texts.Language // nil: English
	Site     string          // this machine's name; "" if it does not matter
	Zone     *time.Location  // of all times
}

// Report explains one incident.
type Report struct {
	Page
	Number    int64
	Outcome   string // whether it is over, in one or two sentences
	Contained bool   // nothing failed or waits for a person
	Observed  bool   // nothing was changed, in mode observe or during a pause
	Next      []string
	Lost      []string
	Annex     Annex
}

// Of explains an incident in English; times are in loc.
func Of(i incident.Incident, loc *time.Location) *Report { return Style{Zone: loc}.Incident(i) }

// Incident explains an incident: what happened and whether it is over, what it cost at
// most, what to do now, how it went, and then the details.
func (s Style) Incident(i incident.Incident) *Report {
	i.Evidence = slices.Clone(i.Evidence)
	slices.SortStableFunc(i.Evidence, func(x, y incident.Evidence) int { return x.At.Compare(y.At) })
	f := newFacts(&i, s)
	r := &Report{Number: i.ID, Observed: f.observed || f.paused, Annex: annexOf(&i, s.Language)}
	r.Page = Page{Language: s.Language, Site: plain(s.Site), When: s.when(i.At), Ref: f.ref(), Title: f.title(), Annex: &r.Annex}
	r.Contained = f.contained()
	r.Outcome = f.outcome()
	r.Urgency, r.Note = f.urgency()
	r.Lead = append(f.whatHappened(), r.Outcome)
	r.Lost, r.Next = f.loss(), f.advice()
	r.add(Section{Heading: f.say("heading.loss"), Lines: sentences(r.Lost)})
	r.add(Section{Heading: f.say("heading.next"), Lines: sentences(r.Next), Ordered: true})
	r.add(Section{Heading: f.say("heading.story"), Lines: f.story()})
	r.add(Section{Heading: f.say("heading.calls"), Table: f.callTable()})
	r.add(Section{Heading: f.say("heading.details"), Lines: f.details(&r.Annex), Technical: true})
	r.Timeline = f.timeline()
	return r
}

// when writes day and time, with the zone.
func (s Style) when(at time.Time) string {
	local := at.In(s.zone())
	return s.Language.Say("date.zoned", "moment", s.Language.Moment(local), "zone", local.Format("MST"))
}

func (s Style) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}
