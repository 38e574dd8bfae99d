package ledger

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// pruneAll stops the owner and prunes as it would at now.
func pruneAll(t *testing.T, l *Ledger, now time.Time) {
	t.Helper()
	flush(t, l)
	close(l.stopC)
	<-l.doneC
	if err := l.ready(); err != nil {
		t.Fatal(err)
	}
	l.prune.begin(now, l.o)
	for l.pruneStep() {
	}
	l.stopC, l.doneC = make(chan struct{}), make(chan struct{})
	go l.run()
}

func TestPruneByAge(t *testing.T) {
	l := open(t, file(t))
	old := noon.Add(-401 * 24 * time.Hour)
	young := noon.Add(-399 * 24 * time.Hour)
	forever, ranOut, released, recent := guesser(1), guesser(2), guesser(3), guesser(4)
	forever.Since, forever.Until = old, time.Time{}
	ranOut.Since, ranOut.Until = old, old.Add(time.Hour)
	released.Since, released.Until = old.Add(-time.Hour), time.Time{}
	recent.Since, recent.Until = young, young.Add(time.Hour)
	putAll(l, []incident.Ban{forever, ranOut, released, recent})
	l.DeleteBan(source(3), old, "uid 0")
	for _, at := range []time.Time{old, young} {
		l.AddOffence(source(1), at)
		id := l.PutIncident(&incident.Incident{At: at, Steps: []incident.Step{{State: incident.Intended}}})
		for range 11 {
			l.PutIncident(&incident.Incident{ID: id, At: at, Evidence: make([]incident.Evidence, maxEvidence)}) // more than one step of pruning
		}
		l.PutAction(Action{At: at})
	}
	l.PutPlace(Place{"1001", source(1), noon.Add(-31 * 24 * time.Hour)})
	l.PutPlace(Place{"1002", source(1), noon.Add(-29 * 24 * time.Hour)})
	pruneAll(t, l, noon)

	ctx := t.Context()
	same(t, "bans", history(t, l), episodes(recent, forever))
	same(t, "offences", records(t, l, time.Time{}), []Record{{source(1), 1, young}})
	same(t, "incidents", len(must[[]incident.Incident](t)(l.Incidents(ctx, 0))), 1)
	same(t, "open steps", must[[]OpenStep](t)(l.OpenSteps(ctx)), []OpenStep{{2, 0, young, incident.Step{State: incident.Intended}}})
	same(t, "evidence", len(must[incident.Incident](t)(l.Incident(ctx, 2)).Evidence), 11*maxEvidence)
	same(t, "actions", len(must[[]Action](t)(l.Actions(ctx, time.Time{}, 0))), 1)
	same(t, "places", len(must[[]Place](t)(l.Places(ctx, time.Time{}))), 1)
	var rows int
	if err := l.store.read.QueryRow(`SELECT count(*) FROM evidence`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	same(t, "rows of evidence", rows, 11*maxEvidence)
	same(t, "evicted", l.Health().Evicted, 0)
}

func TestPruneByCapacity(t *testing.T) {
	l, err := Open(file(t), Options{MaxRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for n := range 30 {
		at := noon.Add(time.Duration(n-100) * time.Second)
		b := guesser(n)
		b.Since = at
		if n%2 == 0 {
			b.Until = noon.Add(-time.Second) // ran out
		}
		l.PutBan(b)
		l.AddOffence(source(n), at)
		l.PutIncident(&incident.Incident{At: at, Steps: []incident.Step{{}}})
		l.PutPlace(Place{"1001", source(n), at})
		l.PutAction(Action{At: at})
	}
	pruneAll(t, l, noon)

	ctx := t.Context()
	same(t, "bans in force", len(inForce(t, l, noon)), 15)
	same(t, "bans", len(history(t, l)), 15+5)
	same(t, "sources", len(records(t, l, time.Time{})), 10)
	same(t, "places", len(must[[]Place](t)(l.Places(ctx, time.Time{}))), 10)
	same(t, "actions", len(must[[]Action](t)(l.Actions(ctx, time.Time{}, 0))), 10)
	incidents := must[[]incident.Incident](t)(l.Incidents(ctx, 0))
	same(t, "incidents", len(incidents), 10)
	same(t, "the newest", incidents[0].ID, 30)
	same(t, "evicted", l.Health().Evicted, 10+4*20)
}

// Holds are never pruned: without their rows, locks and restrictions could not be
// lifted.
func TestPruneKeepsHolds(t *testing.T) {
	l, err := Open(file(t), Options{MaxRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	old := noon.Add(-401 * 24 * time.Hour)
	for n := range 30 {
		at := noon.Add(time.Duration(n-100) * time.Second)
		l.PutHabit(Habit{"1001", "network", source(n).String(), at, at})
		l.PutHold(incident.Hold{Account: source(n).String(), Kind: incident.HoldLock, Since: old})
	}
	l.PutHabit(Habit{"1002", "network", "192.0.2.0/24", old, old})
	pruneAll(t, l, noon)
	same(t, "habits", len(must[[]Habit](t)(l.Habits(t.Context()))), 10)
	same(t, "holds", len(must[[]incident.Hold](t)(l.Holds(t.Context()))), 30)
}
