package ledger

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
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

// A ledger that is too large loses its floods first, then its oldest incidents, and
// nothing that is in force. The file shrinks.
func TestPruneBySize(t *testing.T) {
	l, err := Open(file(t), Options{Size: 2 << 20, MaxRows: 2000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for n := range 3000 {
		b := guesser(n)
		b.Since, b.Until, b.Scope, b.Incident = noon, noon.Add(time.Duration(n%2-1)*time.Hour+time.Minute), incident.ScopeSIP, int64(n/100+1)
		l.PutBan(b)
	}
	raw := incident.Raw(strings.Repeat("x", 300))
	for n := range 1000 {
		i := &incident.Incident{At: noon, Key: score.Key{Per: score.PerAccount, Account: "1001"}, Evidence: []incident.Evidence{{Raw: raw}, {Raw: raw}, {Raw: raw}, {Raw: raw}}}
		if n >= 890 && n < 990 { // floods, nearly the newest of all
			i.Key = score.Key{Per: score.PerSite}
			i.Steps = make([]incident.Step, 50)
			for s := range i.Steps {
				i.Steps[s] = incident.Step{Step: incident.StepBan, State: incident.Done, Target: source(s).String(), Detail: string(raw)}
			}
		}
		l.PutIncident(i)
	}
	l.AddOffence(source(1), noon)
	flush(t, l)
	before, err := os.Stat(l.path)
	if err != nil {
		t.Fatal(err)
	}
	pruneAll(t, l, noon)
	flush(t, l)
	after, err := os.Stat(l.path)
	if err != nil {
		t.Fatal(err)
	}
	list := must[[]incident.Incident](t)(l.Incidents(t.Context(), 10_000))
	t.Logf("from %d to %d KB, %d incidents", before.Size()>>10, after.Size()>>10, len(list))
	if before.Size() < 3<<20 || after.Size() > 2<<20 {
		t.Errorf("the file had %d bytes, and has %d", before.Size(), after.Size())
	}
	if len(list) < 20 || list[9].ID != 991 || list[10].ID != 890 || list[len(list)-1].ID != int64(900-len(list)+1) {
		t.Errorf("%d incidents are left, want the newest, without the floods", len(list))
	}
	same(t, "bans in force", len(inForce(t, l, noon)), 1500)
	same(t, "offences", len(records(t, l, time.Time{})), 1)
	var orphans int
	if err := l.store.read.QueryRow(`SELECT count(*) FROM steps WHERE incident > 890 AND incident < 991`).Scan(&orphans); err != nil || orphans > 0 {
		t.Errorf("%d steps of pruned incidents are left: %v", orphans, err)
	}
}

// Whoever has many addresses blocked cannot push out the incident of a break-in.
func TestPruneBySizeKeepsBreakIns(t *testing.T) {
	l, err := Open(file(t), Options{Size: 2 << 20, MaxRows: 2000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw := incident.Raw(strings.Repeat("x", 1000))
	for n := range 1000 {
		i := &incident.Incident{At: noon, Key: score.Key{Per: score.PerSource, Prefix: source(n)}, Evidence: []incident.Evidence{{Raw: raw}, {Raw: raw}, {Raw: raw}}}
		if n == 2 {
			i.Key = score.Key{Per: score.PerAccount, Account: "1001"}
		}
		l.PutIncident(i)
	}
	flush(t, l)
	pruneAll(t, l, noon)
	flush(t, l)
	list := must[[]incident.Incident](t)(l.Incidents(t.Context(), 10_000))
	if oldest := list[len(list)-1]; oldest.ID != 3 || len(list) > 900 || list[0].ID != 1000 {
		t.Errorf("%d incidents are left, of which %d is the oldest", len(list), oldest.ID)
	}
}
