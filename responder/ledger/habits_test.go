package ledger

import (
	"testing"
	"time"
)

func TestHabits(t *testing.T) {
	path := file(t)
	l := open(t, path)
	h := Habit{Account: "1002", Kind: "country", Value: "FR", First: noon, Last: noon.Add(time.Hour)}
	l.PutHabit(h)
	l.PutHabit(Habit{Account: "1002", Kind: "country", Value: "FR", First: noon.Add(time.Minute), Last: noon.Add(time.Minute)})
	l.PutHabit(Habit{Account: "1002", Kind: "locked", Value: "PJSIP=internal", First: noon, Last: noon})
	same(t, "queued", must[[]Habit](t)(l.Habits(t.Context())), []Habit{h, {"1002", "locked", "PJSIP=internal", noon, noon}})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path)
	l.DropHabit(Habit{Account: "1002", Kind: "locked"})
	same(t, "dropped, queued", must[[]Habit](t)(l.Habits(t.Context())), []Habit{h})
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "dropped", must[[]Habit](t)(l.Habits(t.Context())), []Habit{h})
}

// A disk that is stuck holds back a lock, its end and the next lock: they are
// written in that order, whatever else is usual for the account.
func TestHabitsOfAKindKeepTheirOrder(t *testing.T) {
	path := file(t)
	l := open(t, path)
	locked := Habit{"1002", "locked", "PJSIP=internal", noon, noon}
	unlock := lock(t, l)
	l.PutBan(guesser(0))
	eventually(t, "a batch is under way", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.flight) == 1
	})
	l.PutHabit(locked)
	l.DropHabit(Habit{Account: "1002", Kind: "locked"})
	locked.First, locked.Last = noon.Add(time.Hour), noon.Add(time.Hour)
	l.PutHabit(locked)
	l.PutHabit(Habit{"1002", "country", "FR", noon, noon})
	l.PutHabit(Habit{"1002", "country", "DE", noon, noon})
	want := []Habit{{"1002", "country", "DE", noon, noon}, {"1002", "country", "FR", noon, noon}, locked}
	same(t, "queued", must[[]Habit](t)(l.Habits(t.Context())), want)
	unlock()
	flush(t, l)
	same(t, "written", must[[]Habit](t)(l.Habits(t.Context())), want)
}
