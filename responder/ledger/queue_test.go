package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// fits is a queue with room for three rows of a kind.
func fits() *queue { return &queue{limit: 3} }

func bansOf(batch []*pending) (bans []incident.Ban) {
	for _, p := range batch {
		if c, ok := p.change.(putBan); ok {
			bans = append(bans, c.Ban)
		}
	}
	return bans
}

func TestQueueKeepsTheNewestStateOfARow(t *testing.T) {
	q := fits()
	longer := guesser(1)
	longer.Until = noon.Add(24 * time.Hour)
	for _, b := range []incident.Ban{guesser(1), guesser(2), longer} {
		if lost := q.put(putBan{b}, noon); lost != 0 {
			t.Errorf("%v pushed %d out", b.Prefix, lost)
		}
	}
	same(t, "rows", q.rows(), 2)
	same(t, "bans", bansOf(q.take(100)), []incident.Ban{longer, guesser(2)})
	same(t, "rows left", q.rows(), 0)
}

func TestFullQueueDropsTheOldestOfItsKind(t *testing.T) {
	q := fits()
	q.put(addOffence{source(1), noon}, noon)
	for n := range 5 {
		q.put(putBan{guesser(n)}, noon)
	}
	same(t, "dropped bans", q.of[kindBan].dropped, 2)
	same(t, "dropped offences", q.of[kindOffence].dropped, 0)
	batch := q.take(100)
	same(t, "bans", bansOf(batch), []incident.Ban{guesser(2), guesser(3), guesser(4)})
	same(t, "all", len(batch), 4)
}

func TestQueueGivesInOrderOfArrival(t *testing.T) {
	q := fits()
	q.put(putBan{guesser(1)}, noon)
	q.put(addOffence{source(1), noon}, noon)
	q.put(putBan{guesser(2)}, noon)
	q.put(newPutStep(1, 0, noon, incident.Step{}), noon)
	var kinds []kind
	for q.rows() > 0 {
		for _, p := range q.take(1) {
			kinds = append(kinds, p.change.kind())
		}
	}
	same(t, "order", kinds, []kind{kindBan, kindOffence, kindBan, kindStep})
}

// A change that is being written is never altered: newer changes of the same row
// are queued separately.
func TestTakenChangesMergeNoMore(t *testing.T) {
	q := fits()
	q.put(putBan{guesser(1)}, noon)
	taken := q.take(1)
	longer := guesser(1)
	longer.Until = noon.Add(24 * time.Hour)
	q.put(putBan{longer}, noon)
	same(t, "taken", bansOf(taken), []incident.Ban{guesser(1)})
	same(t, "queued", bansOf(q.take(1)), []incident.Ban{longer})
}

func TestLargeIncidentCountsByItsRows(t *testing.T) {
	q := fits()
	q.put(putIncident{row: incident.Incident{ID: 1}, steps: make([]putStep, 9)}, noon)
	same(t, "alone it fits", q.rows(), 10)
	q.put(putIncident{row: incident.Incident{ID: 2}}, noon)
	same(t, "it is dropped", q.rows(), 1)
	same(t, "dropped", q.of[kindIncident].dropped, 10)
}

// A flush reports changes that it waited for and that were dropped.
func TestFlushReportsDroppedChanges(t *testing.T) {
	l, err := Open(file(t), Options{Queue: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	unlock := lock(t, l)
	l.PutBan(guesser(1000))
	eventually(t, "a batch is under way", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.flight) == 1
	})
	l.PutBan(guesser(0))
	early := make(chan error)
	go func() { early <- l.Flush(t.Context()) }()
	eventually(t, "the flush waits", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiters) == 1
	})
	for n := range 4 {
		l.PutBan(guesser(n))
	}
	unlock()
	if err := <-early; !errors.Is(err, ErrDropped) {
		t.Errorf("flush of a dropped ban: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.Flush(ctx); err != nil {
		t.Errorf("flush of what was kept: %v", err)
	}
	same(t, "missing", missing(t, l, guesser(1000), guesser(1), guesser(2), guesser(3)), nil)
	same(t, "dropped", l.Health().Dropped, map[string]uint64{"ban": 1})
}

func TestPlaceIsMarkedOnceAMinute(t *testing.T) {
	home := placeKey{"1001", source(1)}
	for _, tt := range []struct {
		name  string
		after []time.Duration // successes
		want  []bool
	}{
		{"every second", []time.Duration{0, time.Second, 59 * time.Second, 60 * time.Second, 61 * time.Second}, []bool{true, false, false, true, false}},
		{"every half minute", []time.Duration{0, 30 * time.Second, 60 * time.Second, 90 * time.Second, 120 * time.Second}, []bool{true, false, true, false, true}},
		{"the clock was set back", []time.Duration{0, -time.Hour, -time.Hour + time.Second}, []bool{true, true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s seen
			var got []bool
			for _, d := range tt.after {
				got = append(got, s.mark(home, noon.Add(d)))
			}
			same(t, "written", got, tt.want)
		})
	}
}

func TestPlacesSeenAreBounded(t *testing.T) {
	var s seen
	for n := range 3 * placesSeen {
		s.mark(placeKey{"1001", source(n)}, noon)
		if held := len(s.newer) + len(s.older); held > 2*placesSeen {
			t.Fatalf("%d places are remembered", held)
		}
	}
}
