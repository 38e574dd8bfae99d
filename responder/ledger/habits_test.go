package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestHabits(t *testing.T) {
	h := Habit{Account: "1002", Kind: "country", Value: "FR", First: noon, Last: noon.Add(time.Hour)}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		l.PutHabit(h)
		l.PutHabit(Habit{"1002", "network", "192.0.2.0/24", noon, noon})
		l.PutHabit(Habit{"1002", "country", "FR", noon.Add(time.Minute), noon.Add(time.Minute)})
	}, func(t *testing.T, l *Ledger) {
		same(t, "habits", must[[]Habit](t)(l.Habits(t.Context())), []Habit{h, {"1002", "network", "192.0.2.0/24", noon, noon}})
	})
}

func TestHolds(t *testing.T) {
	networks := strings.Repeat("2001:db8:1234::/48 ", 64) // as many as a restriction may have
	locked := incident.Hold{Account: "1002", Kind: incident.HoldLock, Value: "PJSIP=internal", Since: noon}
	restricted := incident.Hold{Account: "1002", Kind: incident.HoldRestriction, Value: networks, Since: noon}
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		older := locked
		older.Value = "PJSIP=office"
		l.PutHold(older)
		l.PutHold(locked)
		l.PutHold(restricted)
		l.PutHold(incident.Hold{Account: "1003", Kind: incident.HoldLock, Since: noon})
		l.DropHold("1003", incident.HoldLock)
		l.DropHold("1004", incident.HoldLock) // there is none
	}, func(t *testing.T, l *Ledger) {
		same(t, "holds", must[[]incident.Hold](t)(l.Holds(t.Context())), []incident.Hold{locked, restricted})
	})
}

// A stuck disk holds back a lock, its end and the next lock: they are written in
// that order.
func TestHoldsKeepTheirOrder(t *testing.T) {
	l := open(t, file(t))
	locked := incident.Hold{Account: "1002", Kind: incident.HoldLock, Value: "PJSIP=internal", Since: noon}
	unlock := lock(t, l)
	l.PutHold(locked)
	eventually(t, "a batch is under way", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.flight) == 1
	})
	l.DropHold("1002", incident.HoldLock)
	locked.Since = noon.Add(time.Hour)
	l.PutHold(locked)
	unlock()
	same(t, "holds", must[[]incident.Hold](t)(l.Holds(t.Context())), []incident.Hold{locked})
}
