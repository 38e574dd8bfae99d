package contain

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

var costsNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rows are the Holds of a ledger, and how often it was written to.
type rows struct {
	by     map[string]incident.Hold
	writes int
}

func (r *rows) HoldChanged(h incident.Hold) {
	r.by[h.Account] = h
	r.writes++
}

func (r *rows) HoldEnded(account string, _ incident.HoldKind) {
	delete(r.by, account)
	r.writes++
}

func keptLimits(rule RestrictRule) (*CostLimits, *rows) {
	kept := &rows{by: map[string]incident.Hold{}}
	l := &CostLimits{Holds: kept}
	l.Configure(rule)
	return l, kept
}

// A limit ends when neither an address on probation nor an attack asks for it.
func TestCostLimitEnds(t *testing.T) {
	rule := RestrictRule{Networks: 3, Quiet: time.Hour}
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		probation time.Duration // 0: none
		attack    bool
		networks  int           // that go on guessing, every ten minutes
		trusted   time.Duration // when a person vouches for the address; 0: never
		want      time.Duration
	}{
		"for an address on probation":                 {probation: 2 * day, networks: 9, want: 2 * day},
		"a person vouches for it":                     {probation: 2 * day, trusted: time.Hour, want: time.Hour},
		"the attack stops at once":                    {attack: true, want: time.Hour},
		"too few go on":                               {attack: true, networks: 2, want: time.Hour},
		"it goes on":                                  {attack: true, networks: 3, want: day},
		"an attack, and an address on probation":      {probation: 2 * day, attack: true, networks: 3, want: 2 * day},
		"its probation ends before the attack":        {probation: time.Hour, attack: true, networks: 3, want: day},
		"a person vouches for it, the attack goes on": {probation: 2 * day, attack: true, networks: 3, trusted: time.Hour, want: day},
	} {
		l, kept := keptLimits(rule)
		if tc.probation > 0 {
			l.BeginProbation(costsNow, "1002", costsNow.Add(tc.probation))
		}
		if tc.attack {
			l.BeginAttack(costsNow, "1002")
		}
		at := costsNow
		for ; at.Sub(costsNow) < 100*time.Hour; at = at.Add(10 * time.Minute) {
			if tc.trusted > 0 && at.Sub(costsNow) == tc.trusted && l.EndProbation("1002", time.Time{}) == tc.attack {
				t.Errorf("%s: ended, or not, when a person vouched for it", name)
			}
			l.Prune(at)
			if _, limited := l.Of("1002"); !limited {
				break
			}
			for n := range tc.networks {
				l.Failed(at, []byte("1002"), netip.AddrFrom4([4]byte{203, 0, byte(n), 1}))
			}
		}
		if got := at.Sub(costsNow); got != tc.want {
			t.Errorf("%s: ends after %s, want %s", name, got, tc.want)
		}
		if len(kept.by) != 0 {
			t.Errorf("%s: the ledger keeps %+v", name, kept.by)
		}
	}
}

// A person vouches for one of two addresses: the limit lasts as long as the other one is on
// probation.
func TestCostLimitOfAnotherAddress(t *testing.T) {
	l, kept := keptLimits(RestrictRule{})
	l.BeginProbation(costsNow, "1002", costsNow.Add(2*time.Hour))
	if l.EndProbation("1002", costsNow.Add(time.Hour)) {
		t.Error("ended")
	}
	if x, _ := l.Of("1002"); !x.Until.Equal(costsNow.Add(time.Hour)) || kept.by["1002"].Value != "2026-11-22T13:00:00Z 0" {
		t.Errorf("%+v, kept %+v", x, kept.by)
	}
	if l.EndProbation("1003", time.Time{}) {
		t.Error("an account without a limit")
	}
}

// The ledger is written to only if something changes.
func TestCostLimitIsWrittenOnce(t *testing.T) {
	l, kept := keptLimits(RestrictRule{Networks: 3, Quiet: time.Hour})
	for n := range 100 {
		at := costsNow.Add(time.Duration(n) * time.Second)
		l.BeginProbation(at, "1002", costsNow.Add(time.Hour))
		l.BeginAttack(at, "1002")
		l.Record("1002", 7)
		l.Prune(at)
	}
	if kept.writes != 3 { // the address, the attack and the incident
		t.Errorf("%d writes", kept.writes)
	}
	if got := kept.by["1002"].Value; got != "2026-11-22T13:00:00Z 7 attack" {
		t.Errorf("kept: %s", got)
	}
}

// What the ledger keeps of a limit brings it back, also what an earlier version kept.
func TestCostLimitIsKept(t *testing.T) {
	l, kept := keptLimits(RestrictRule{})
	l.BeginProbation(costsNow, "1002", costsNow.Add(24*time.Hour))
	l.Record("1002", 7)
	l.BeginAttack(costsNow, "1003")
	l.BeginProbation(costsNow, "1004", costsNow.Add(24*time.Hour))
	l.BeginAttack(costsNow, "1004")
	next, nextKept := keptLimits(RestrictRule{})
	for _, account := range []string{"1002", "1003", "1004"} {
		if !next.Restore(costsNow.Add(time.Hour), kept.by[account]) {
			t.Fatalf("%s is lost: %+v", account, kept.by[account])
		}
		x, _ := l.Of(account)
		got, _ := next.Of(account)
		if got.Incident != x.Incident || !got.Until.Equal(x.Until) || got.String() != x.String() {
			t.Errorf("%s: %+v, want %+v", account, got, x)
		}
	}
	if nextKept.writes != 0 {
		t.Error("what the ledger keeps is written again")
	}
	over := kept.by["1002"]
	for name, h := range map[string]incident.Hold{
		"over": over, "garbage": {Account: "1002", Value: "soon"}, "nothing": {Account: "1002"}, "half": {Account: "1002", Value: "soon 3"},
	} {
		if next.Restore(costsNow.Add(24*time.Hour), h) {
			t.Errorf("%s is taken", name)
		}
	}
	if !next.Restore(costsNow, incident.Hold{Account: "1005", Value: "2026-11-23T12:00:00Z 7 192.0.2.66"}) || next.EndProbation("1005", time.Time{}) != true {
		t.Error("a limit of an earlier version")
	}
	if !next.End("1002") || next.End("1002") {
		t.Error("a limit ends once")
	}
}

// However many accounts are limited, memory and the ledger are bounded: the limit that is
// over first makes room.
func TestCostLimitsAreBounded(t *testing.T) {
	l, kept := keptLimits(RestrictRule{})
	const room = 1 << 14
	l.BeginProbation(costsNow, "lasts", costsNow.Add(60*24*time.Hour))
	l.BeginAttack(costsNow.Add(time.Second), "attacked")
	for n := range room + 8 {
		l.BeginProbation(costsNow.Add(time.Duration(n+2)*time.Second), fmt.Sprint(n), costsNow.Add(30*24*time.Hour))
	}
	var gone []string
	for _, account := range []string{"lasts", "attacked", "8", "9", fmt.Sprint(room + 7)} {
		if _, limited := l.Of(account); !limited {
			gone = append(gone, account)
		}
	}
	if !slices.Equal(gone, []string{"attacked", "8"}) {
		t.Errorf("%q made room", gone)
	}
	if len(kept.by) != room {
		t.Errorf("the ledger keeps %d of %d", len(kept.by), room)
	}
}
