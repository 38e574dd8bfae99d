package score

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var perNetwork = []Threshold{
	{Name: "taking turns", Per: PerNetwork, Points: map[Signal]int{InvalidPassword: 1, Tampering: 5}, Score: 15, Within: 24 * time.Hour},
	{Name: "at once", Per: PerNetwork, Points: map[Signal]int{SlowNetwork: 1}, Score: 1, Within: time.Hour},
}

// Of one source three points count for its network, so that it takes five addresses to
// have one banned.
func TestShareOfOneSource(t *testing.T) {
	type round struct {
		addresses, each int
		after           time.Duration
	}
	for name, tc := range map[string]struct {
		network string // with the address's number
		signal  Signal
		rounds  []round
		want    int // verdicts
	}{
		"one address at wire speed":        {"192.0.2.%d", InvalidPassword, []round{{1, 10000, time.Millisecond}}, 0},
		"four addresses":                   {"192.0.2.%d", InvalidPassword, []round{{4, 1000, time.Second}}, 0},
		"five addresses, three each":       {"192.0.2.%d", InvalidPassword, []round{{5, 3, time.Minute}}, 1},
		"fifteen, once each":               {"192.0.2.%d", InvalidPassword, []round{{15, 1, time.Minute}}, 1},
		"one day after day":                {"192.0.2.%d", InvalidPassword, []round{{1, 3, 0}, {1, 3, 25 * time.Hour}, {1, 3, 25 * time.Hour}}, 0},
		"what is worth more than a share":  {"192.0.2.%d", Tampering, []round{{4, 20, time.Second}}, 0},
		"and from five":                    {"192.0.2.%d", Tampering, []round{{5, 1, time.Second}}, 1},
		"what others have counted already": {"192.0.2.%d", SlowNetwork, []round{{1, 2, time.Second}}, 2},
		"one /64":                          {"2001:db8:0:%d::1", InvalidPassword, []round{{1, 1000, time.Second}}, 0},
		"five /64s":                        {"2001:db8:0:%d::1", InvalidPassword, []round{{5, 3, time.Second}}, 1},
	} {
		table, err := New(perNetwork, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		now, verdicts := start, 0
		for _, r := range tc.rounds {
			for i := range r.addresses * r.each {
				now = now.Add(r.after)
				o := Observation{At: now, Signal: tc.signal, Source: netip.MustParseAddr(fmt.Sprintf(tc.network, i%r.addresses)), Proof: Proven}
				for _, v := range table.Observe(&o) {
					if verdicts++; v.Score > 15 || v.Score < v.Threshold.Score {
						t.Errorf("%s: %d points: %s", name, v.Score, v.Reason)
					}
				}
			}
		}
		if verdicts != tc.want {
			t.Errorf("%s: %d verdicts, want %d", name, verdicts, tc.want)
		}
		checkTable(t, table)
	}
}

// A flood from one source leaves the evidence of the others, what is shown is what
// counts, and counting it allocates nothing.
func TestFloodLeavesTheEvidenceOfOthers(t *testing.T) {
	table, err := New(perNetwork, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	observe := func(n int, source string) {
		for i := range n {
			o := Observation{At: start.Add(time.Duration(i) * time.Millisecond), Signal: InvalidPassword, Source: netip.MustParseAddr(source), Account: []byte("1001")}
			table.Observe(&o)
		}
	}
	observe(2, "192.0.2.1")
	observe(5000, "192.0.2.7")
	key := Key{Per: PerNetwork, Prefix: netip.MustParsePrefix("192.0.2.0/24")}
	sources := map[string]int{}
	for _, r := range table.Evidence(key) {
		sources[r.Source.String()]++
	}
	if got := fmt.Sprint(sources); got != "map[192.0.2.1:2 192.0.2.7:3]" {
		t.Errorf("evidence of %s", got)
	}
	if top := table.Top(start.Add(time.Minute), PerNetwork, 1); len(top) != 1 || top[0].Scores[0].Points != 5 {
		t.Errorf("shown: %+v", top)
	}
	o := Observation{At: start.Add(time.Minute), Signal: InvalidPassword, Source: netip.MustParseAddr("192.0.2.7")}
	if n := testing.AllocsPerRun(100, func() { table.Observe(&o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	checkTable(t, table)
}
