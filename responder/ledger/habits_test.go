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
