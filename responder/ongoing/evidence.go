package ongoing

import (
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// evidence is what a verdict rests on, beyond what is there already, with what it was read
// from as far as that is still known. A break-in or a probation also rests on the failures
// that make its success one. The tables keep records of their own of the same events: each
// event is one row. id is the number of the incident, as far as it is known: what another
// one has listed of the same key is left out.
func (s *Incidents) evidence(v *score.Verdict, id int64, there ...[]incident.Evidence) []incident.Evidence {
	seen := map[sighting]int{}
	for _, part := range there {
		for i := range part {
			seen[sightingOf(&part[i].Record)]++
		}
	}
	records := unseen(s.notListed(v, id), seen)
	if afterFailures(v) {
		// The table's records first: only they have the session.
		records = append(records, unseen(score.FailuresOf(s.table.Evidence(score.SourceKey(v.Cause.Source)), v.Key.Account), counts(records, seen))...)
		records = append(records, unseen(s.breakIn.Failures(v.Key.Account), counts(records, seen))...)
	}
	list := make([]incident.Evidence, len(records))
	for n, r := range records {
		list[n].Record = r
	}
	for n, text := range s.table.RawTexts(records) {
		raw := incident.Redact(text)
		if len(text) == score.MaxRaw {
			raw += "\r\n(cut off here)"
		}
		list[n].Raw = incident.Raw(raw)
	}
	return list
}

// afterFailures reports whether failures of an account make its success what a verdict is
// about.
func afterFailures(v *score.Verdict) bool {
	return v.Cause.Signal == score.SuccessAfterFailures || v.Cause.Signal == score.NewPlaceAfterFailures
}

// unseen are the records of events that were not seen. Several events can be at the same
// time and place, as in a log that knows only seconds.
func unseen(records []score.Record, seen map[sighting]int) (list []score.Record) {
	left := make(map[sighting]int, len(seen))
	for s, n := range seen {
		left[s] = n
	}
	for i := range records {
		if s := sightingOf(&records[i]); left[s] > 0 {
			left[s]--
			continue
		}
		list = append(list, records[i])
	}
	return list
}

// counts adds the events of records to those seen.
func counts(records []score.Record, seen map[sighting]int) map[sighting]int {
	all := make(map[sighting]int, len(seen)+len(records))
	for s, n := range seen {
		all[s] = n
	}
	for i := range records {
		all[sightingOf(&records[i])]++
	}
	return all
}
