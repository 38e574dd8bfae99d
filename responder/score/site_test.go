package score

import (
	"testing"
	"time"
)

// A threshold per site adds up what everybody does, and says so.
func TestSiteThreshold(t *testing.T) {
	rule := Threshold{Name: "many guesses", Per: PerSite, Points: map[Signal]int{InvalidPassword: 1}, Score: 3, Within: time.Hour}
	table := newTable(t, Limits{}, rule, guessing[0])
	table.Observe(seen(start, InvalidPassword, "192.0.2.1", "1001"))
	table.Observe(seen(start, InvalidPassword, "", "1002"))
	vs := table.Observe(seen(start.Add(time.Minute), InvalidPassword, "192.0.2.3", "1003"))
	if fired(vs) != "many guesses site" {
		t.Fatalf("fired %q", fired(vs))
	}
	if v := vs[0]; v.Key != (Key{Per: PerSite}) || len(v.Evidence) != 1 || v.Evidence[0] != v.Cause || v.Score != 3 {
		t.Errorf("verdict %+v", v)
	}
	key, err := ParseKey(vs[0].Key.Kind(), vs[0].Key.Value())
	if err != nil || key != vs[0].Key {
		t.Errorf("read again: %v, %v", key, err)
	}
	if top := table.Top(start.Add(time.Minute), PerSite, 10); len(top) != 1 {
		t.Errorf("%d keys per site", len(top))
	}
	checkTable(t, table)
}
