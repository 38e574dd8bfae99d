package contain

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

var costsNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A limit ends at its time, or when the attack is over.
func TestCostLimitEnds(t *testing.T) {
	rule := RestrictRule{Networks: 3, Quiet: time.Hour}
	for name, tc := range map[string]struct {
		until    time.Time
		networks int // that go on guessing, every ten minutes
		want     time.Duration
	}{
		"for an address on probation": {costsNow.Add(48 * time.Hour), 9, 48 * time.Hour},
		"the attack stops at once":    {time.Time{}, 0, time.Hour},
		"too few go on":               {time.Time{}, 2, time.Hour},
		"it goes on":                  {time.Time{}, 3, 24 * time.Hour},
	} {
		var l CostLimits
		l.Configure(rule)
		l.Begin(costsNow, "1002", tc.until, "192.0.2.66")
		at := costsNow
		for ; len(l.Due(at)) == 0; at = at.Add(10 * time.Minute) {
			if at.Sub(costsNow) > 100*time.Hour {
				break
			}
			for n := range tc.networks {
				l.Failed(at, []byte("1002"), netip.AddrFrom4([4]byte{203, 0, byte(n), 1}))
			}
		}
		if got := at.Sub(costsNow); got != tc.want {
			t.Errorf("%s: ends after %s, want %s", name, got, tc.want)
		}
		if _, limited := l.Of("1002"); limited {
			t.Errorf("%s: still limited", name)
		}
	}
}

// What the ledger keeps of a limit brings it back.
func TestCostLimitIsKept(t *testing.T) {
	var l CostLimits
	l.Begin(costsNow, "1002", costsNow.Add(24*time.Hour), "192.0.2.66")
	l.Record("1002", 7)
	l.Begin(costsNow, "1003", time.Time{}, "")
	var next CostLimits
	for _, account := range []string{"1002", "1003"} {
		x, _ := l.Of(account)
		if !next.Restore(costsNow.Add(time.Hour), x.Hold(account)) {
			t.Fatalf("%s is lost: %+v", account, x.Hold(account))
		}
		got, _ := next.Of(account)
		if got.Incident != x.Incident || !got.Until.Equal(x.Until) || got.Source != x.Source || got.String() != x.String() {
			t.Errorf("%s: %+v, want %+v", account, got, x)
		}
	}
	x, _ := l.Of("1002")
	for name, h := range map[string]incident.Hold{
		"over": x.Hold("1002"), "garbage": {Account: "1002", Value: "soon"}, "nothing": {Account: "1002"}, "half": {Account: "1002", Value: "soon 3"},
	} {
		if next.Restore(costsNow.Add(24*time.Hour), h) {
			t.Errorf("%s is taken", name)
		}
	}
	if !next.End("1002") || next.End("1002") {
		t.Error("a limit ends once")
	}
}

// However many accounts are limited, memory is bounded.
func TestCostLimitsAreBounded(t *testing.T) {
	var l CostLimits
	const room = 1 << 14
	for n := range room + 10 {
		l.Begin(costsNow.Add(time.Duration(n)*time.Second), fmt.Sprint(n), costsNow.Add(time.Hour*24*30), "")
	}
	if _, oldest := l.Of("9"); oldest {
		t.Error("the oldest stays")
	}
	if _, newest := l.Of(fmt.Sprint(room + 9)); !newest {
		t.Error("the newest has no room")
	}
}
