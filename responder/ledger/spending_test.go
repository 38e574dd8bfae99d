package ledger

import (
	"testing"
	"time"
)

// spentBy is a call of an account, of three minutes within an hour.
func spentBy(account string, hour int64) Spent {
	return Spent{Hour: hour, Account: account, Trunk: "carrier", Place: "SO", Risky: true, Time: 3 * time.Minute, Calls: 1, Money: 3_000_000}
}

// What is spent within an hour adds up, and what was forgiven is kept apart.
func TestSpending(t *testing.T) {
	hour := noon.Unix() / 3600
	inEachMoment(t, func(_ *testing.T, l *Ledger) {
		l.AddSpending(spentBy("1001", hour-30))
		l.AddSpending(spentBy("1001", hour))
		l.AddSpending(spentBy("1001", hour))
		l.ForgiveSpending("1001", hour-25)
		estimate := spentBy("1001", hour)
		estimate.Estimate = true
		l.AddSpending(estimate)
		l.AddSpending(spentBy("1002", hour))
	}, func(t *testing.T, l *Ledger) {
		forgiven, estimate := spentBy("1001", hour), spentBy("1001", hour)
		forgiven.Forgiven, forgiven.Time, forgiven.Calls, forgiven.Money = true, 6*time.Minute, 2, 6_000_000
		estimate.Estimate = true
		got := must[[]Spent](t)(l.Spending(t.Context(), noon.Add(-48*time.Hour)))
		same(t, "spending", len(got), 4)
		for _, want := range []Spent{spentBy("1001", hour-30), forgiven, estimate, spentBy("1002", hour)} {
			found := false
			for _, g := range got {
				found = found || g == want
			}
			if !found {
				t.Errorf("%+v is missing in %+v", want, got)
			}
		}
	})
}

// A resume forgives everybody.
func TestForgiveEverybody(t *testing.T) {
	hour := noon.Unix() / 3600
	l := open(t, file(t))
	l.AddSpending(spentBy("1001", hour))
	l.AddSpending(spentBy("1002", hour))
	l.ForgiveSpending("", hour-25)
	for _, s := range must[[]Spent](t)(l.Spending(t.Context(), noon)) {
		same(t, "forgiven", s.Forgiven, true)
	}
}

// Old spending goes, and if it is too much, the oldest.
func TestPruneSpending(t *testing.T) {
	l, err := Open(file(t), Options{MaxRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	hour := noon.Unix() / 3600
	l.AddSpending(spentBy("1001", hour-59*24))
	for n := range 25 {
		l.AddSpending(spentBy("1001", hour-int64(n)))
	}
	pruneAll(t, l, noon)
	left := must[[]Spent](t)(l.Spending(t.Context(), time.UnixMilli(0)))
	if len(left) != 10 || left[0].Hour != hour-9 {
		t.Errorf("%d rows are left: %+v", len(left), left)
	}
}
