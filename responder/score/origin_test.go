package score

import (
	"testing"
	"time"
)

// The calls of an origin count for its own thresholds alone, and those of accounts never
// for an origin's.
func TestOriginsHaveThresholdsOfTheirOwn(t *testing.T) {
	table, err := New([]Threshold{
		{Name: "accounts", Per: PerAccount, Points: map[Signal]int{ForbiddenDestination: 1}, Score: 1, Within: time.Minute},
		{Name: "origins", Per: PerOrigin, Points: map[Signal]int{ForbiddenDestination: 1}, Score: 2, Within: time.Minute},
	}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ account, want string }{
		{"1002", "accounts 1002"},
		{PBXItself, ""},
		{TrunkOrigins + "carrier", ""},
		{PBXItself, "origins pbx/itself"},
		{TrunkOrigins + "carrier", "origins trunk/carrier"},
	} {
		got := ""
		for _, v := range table.Observe(&Observation{At: at, Signal: ForbiddenDestination, Account: []byte(c.account)}) {
			got += v.Threshold.Name + " " + v.Key.String()
			if key, err := ParseKey(v.Key.Kind(), v.Key.Value()); err != nil || key != v.Key {
				t.Errorf("%v is read as %v, %v", v.Key, key, err)
			}
		}
		if got != c.want {
			t.Errorf("a call of %s: %q, want %q", c.account, got, c.want)
		}
	}
}
