package score

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// guessing holds the default thresholds for sources, and some more.
var guessing = []Threshold{
	{Name: "password guessing", Per: PerSource, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 1}, Score: 3, Within: time.Hour},
	{Name: "slow guessing", Per: PerSource, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 1}, Score: 10, Within: 24 * time.Hour},
	{Name: "scanning", Per: PerSource, Points: map[Signal]int{InvalidAccountID: 1, FailedACL: 1}, Score: 5, Within: time.Hour},
	{Name: "network", Per: PerNetwork, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 1}, Score: 20, Within: time.Hour},
	{Name: "account", Per: PerAccount, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 1}, Score: 50, Within: time.Hour},
	{Name: "break-in", Per: PerAccount, Points: map[Signal]int{SuccessAfterFailures: 1}, Score: 1, Within: time.Hour},
}

func newTable(t testing.TB, limits Limits, thresholds ...Threshold) *Table {
	t.Helper()
	table, err := New(thresholds, limits)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// seen returns an observation of a SIP peer.
func seen(at time.Time, s Signal, source, account string) *Observation {
	o := &Observation{
		At: at, Signal: s, Port: 5060, Transport: event.UDP, Proof: Spoofable,
		Service: []byte("PJSIP"), Account: []byte(account), Session: []byte("8e2f1c5a@" + source),
	}
	if source != "" {
		o.Source = netip.MustParseAddr(source)
	}
	return o
}

func fired(vs []Verdict) string {
	var names []string
	for _, v := range vs {
		names = append(names, v.Threshold.Name+" "+v.Key.String())
	}
	return strings.Join(names, ", ")
}

func TestThresholdIsExact(t *testing.T) {
	after := func(d time.Duration) time.Time { return start.Add(d) }
	for _, tt := range []struct {
		name string
		at   []time.Duration
		want []bool
	}{
		{"three within the hour", []time.Duration{0, time.Minute, time.Hour - time.Microsecond}, []bool{false, false, true}},
		{"the first has expired", []time.Duration{0, time.Minute, time.Hour}, []bool{false, false, false}},
		{"the first has expired, but one more follows", []time.Duration{0, time.Minute, time.Hour, time.Hour + time.Second}, []bool{false, false, false, true}},
		{"nothing counts twice", []time.Duration{0, 0, 0, 1, 2, 3}, []bool{false, false, true, false, false, true}},
		{"a late observation counts", []time.Duration{10 * time.Second, 20 * time.Second, 0}, []bool{false, false, true}},
		{"an observation that is too late does not count", []time.Duration{2 * time.Hour, 2*time.Hour + 1, time.Hour}, []bool{false, false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, Limits{}, guessing[0])
			for i, d := range tt.at {
				got := table.Observe(seen(after(d), InvalidPassword, "192.0.2.66", "1002"))
				if (len(got) == 1) != tt.want[i] {
					t.Errorf("observation %d at +%v: verdicts %q, want one: %v", i, d, fired(got), tt.want[i])
				}
			}
		})
	}
}

func TestClockSetBackMovesNoWindow(t *testing.T) {
	table := newTable(t, Limits{}, guessing[0])
	now := time.Now() // with its monotonic reading
	var got []Verdict
	for i := range 3 {
		got = table.Observe(seen(now.Add(time.Duration(i)*time.Second), InvalidPassword, "192.0.2.66", "1002"))
	}
	if len(got) != 1 {
		t.Fatal("no verdict for three failures within seconds")
	}
	c := clock{}
	first := c.micros(now)
	if d := c.micros(now.Add(-time.Second)) - first; d != -1_000_000 {
		t.Errorf("a second earlier is %d µs", d)
	}
	if c.micros(time.Time{}) != 0 {
		t.Error("the year 1 is not before all windows")
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sources []string
		want    string // of the third observation
	}{
		{"one IPv4 address", []string{"192.0.2.66", "192.0.2.66", "192.0.2.66"}, "192.0.2.66"},
		{"its mapped form", []string{"192.0.2.66", "::ffff:192.0.2.66", "192.0.2.66"}, "192.0.2.66"},
		{"neighbours", []string{"192.0.2.66", "192.0.2.67", "192.0.2.68"}, ""},
		{"one IPv6 /64", []string{"2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:3"}, "2001:db8::/64"},
		{"other /64s", []string{"2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"}, ""},
		{"an IPv6 prefix with the bits of an IPv4 address", []string{"192.0.2.66", "0:0:c000:242::1", "192.0.2.66"}, ""},
		{"with a zone", []string{"fe80::1%eth0", "fe80::2%eth1", "fe80::1"}, "fe80::/64"},
		{"no source", []string{"", "", ""}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, Limits{}, guessing[0])
			var got []Verdict
			for _, s := range tt.sources {
				got = table.Observe(seen(start, InvalidPassword, s, "1002"))
			}
			key := ""
			if len(got) > 0 {
				key = got[0].Key.String()
			}
			if key != tt.want {
				t.Errorf("verdict on %q, want %q", key, tt.want)
			}
		})
	}
}

func TestNetworkOfManySources(t *testing.T) {
	table := newTable(t, Limits{}, guessing...)
	var all []string
	for i := range 20 {
		o := seen(start, InvalidPassword, "", "1002")
		o.Source = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if f := fired(table.Observe(o)); f != "" {
			all = append(all, f)
		}
	}
	if got := strings.Join(all, "; "); got != "network 192.0.2.0/24" {
		t.Errorf("verdicts: %q", got)
	}
}

func TestAccounts(t *testing.T) {
	for _, tt := range []struct {
		name, service, account string
		signal                 Signal
		want                   string // key of the account, "" if none
	}{
		{"a peer", "PJSIP", "1002", InvalidPassword, "1002"},
		{"an AMI user", "AMI", "admin", InvalidPassword, "AMI/admin"},
		{"a peer with the same name", "SIP", "admin", InvalidPassword, "admin"},
		{"no name", "PJSIP", "", InvalidPassword, ""},
		{"unknown", "PJSIP", "<unknown>", ChallengeResponseFailed, ""},
		{"a nonexistent account", "PJSIP", "1002", InvalidAccountID, ""},
		{"a name too long for a channel", "PJSIP", strings.Repeat("a", 81), InvalidPassword, ""},
		{"a name of maximum length", "PJSIP", strings.Repeat("a", 80), InvalidPassword, strings.Repeat("a", 80)},
		{"an AMI user with a long name", "AMI", strings.Repeat("a", 77), InvalidPassword, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, Limits{}, Threshold{
				Name: "any", Per: PerAccount, Score: 1, Within: time.Hour,
				Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 1, InvalidAccountID: 1},
			})
			o := seen(start, tt.signal, "192.0.2.66", tt.account)
			o.Service = []byte(tt.service)
			got := ""
			if vs := table.Observe(o); len(vs) > 0 {
				got = vs[0].Key.Account
			}
			if got != tt.want {
				t.Errorf("key %q, want %q", got, tt.want)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	table := newTable(t, Limits{}, guessing[:3]...)
	table.Observe(seen(start, SuccessfulAuth, "192.0.2.66", "1001")) // not tracked yet
	table.Observe(seen(start.Add(1*time.Second), InvalidAccountID, "192.0.2.66", "evil\r\nname"))
	table.Observe(seen(start.Add(2*time.Second), ChallengeSent, "192.0.2.66", "1002"))
	table.Observe(seen(start.Add(3*time.Second), ChallengeResponseFailed, "192.0.2.66", "1002"))
	table.Observe(seen(start.Add(4*time.Second), InvalidPassword, "192.0.2.66", "1003"))
	table.Observe(seen(start.Add(5*time.Second), SuccessfulAuth, "192.0.2.66", "1001"))
	vs := table.Observe(seen(start.Add(6*time.Second), ChallengeResponseFailed, "192.0.2.66", "1002"))
	if len(vs) != 1 {
		t.Fatalf("verdicts: %q", fired(vs))
	}
	v := vs[0]
	if want := "3 wrong passwords for 1002, 1003 within 1h"; v.Reason != want {
		t.Errorf("reason %q, want %q", v.Reason, want)
	}
	if v.Score != 3 || v.Proven || !v.At.Equal(start.Add(6*time.Second)) {
		t.Errorf("verdict %+v", v)
	}
	var signals []string
	for _, r := range v.Evidence {
		signals = append(signals, r.Signal.String())
	}
	want := "InvalidAccountID ChallengeResponseFailed InvalidPassword SuccessfulAuth ChallengeResponseFailed"
	if got := strings.Join(signals, " "); got != want {
		t.Errorf("evidence %q, want %q", got, want)
	}
	last := v.Evidence[len(v.Evidence)-1]
	if last != v.Cause {
		t.Errorf("the last evidence %+v is not the cause %+v", last, v.Cause)
	}
	if v.Cause.Account != "1002" || v.Cause.Session != "8e2f1c5a@192.0.2.66" || v.Cause.Port != 5060 ||
		v.Cause.Transport != event.UDP || v.Cause.Source != netip.MustParseAddr("192.0.2.66") {
		t.Errorf("cause %+v", v.Cause)
	}
}

func TestReasonIsSafe(t *testing.T) {
	for _, tt := range []struct{ name, account, want string }{
		{"plain", "sales-2.berlin", "1 event with forged lines for sales-2.berlin within 1m30s"},
		{"a line break", "x\r\nBan: 8.8.8.8", `1 event with forged lines for "x\r\nBan: 8.8.8.8" within 1m30s`},
		{"an escape sequence", "\x1b[2J", `1 event with forged lines for "\x1b[2J" within 1m30s`},
		{"not UTF-8, HTML", "\xff<b>", `1 event with forged lines for "\xff<b>" within 1m30s`},
		{"long", strings.Repeat("9", 60), "1 event with forged lines for " + strings.Repeat("9", 40) + "… within 1m30s"},
		{"no name", "<unknown>", "1 event with forged lines within 1m30s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, Limits{}, Threshold{Name: "x", Per: PerSource, Points: map[Signal]int{Tampering: 1}, Score: 1, Within: 90 * time.Second})
			vs := table.Observe(seen(start, Tampering, "192.0.2.66", tt.account))
			if len(vs) != 1 || vs[0].Reason != tt.want {
				t.Errorf("verdicts %+v, want the reason %q", vs, tt.want)
			}
		})
	}
}

func TestProvenVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		proofs []Proof
		want   bool
	}{
		{"all proven", []Proof{Proven, Proven, Proven}, true},
		{"one spoofable", []Proof{Proven, Spoofable, Proven}, false},
		{"the last one spoofable", []Proof{Proven, Proven, Spoofable}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, Limits{}, guessing[0])
			var vs []Verdict
			for _, p := range tt.proofs {
				o := seen(start, InvalidPassword, "192.0.2.66", "1002")
				o.Proof = p
				vs = table.Observe(o)
			}
			if len(vs) != 1 || vs[0].Proven != tt.want {
				t.Errorf("verdicts %+v, want proven %v", vs, tt.want)
			}
		})
	}
}

func TestEvidenceIsTheNewestOfAKey(t *testing.T) {
	table := newTable(t, Limits{Records: 4}, guessing[1])
	key := Key{Per: PerSource, Prefix: netip.MustParsePrefix("2001:db8::/64")}
	long := strings.Repeat("s", 300)
	for i := range 6 {
		o := seen(start.Add(time.Duration(i)*time.Second), InvalidPassword, "2001:db8::1", strings.Repeat("a", 100))
		o.Session = []byte(long)
		table.Observe(o)
	}
	got := table.Evidence(key)
	if len(got) != 4 {
		t.Fatalf("%d records, want 4", len(got))
	}
	for i, r := range got {
		if !r.At.Equal(start.Add(time.Duration(i+2)*time.Second)) || len(r.Account) != 80 || r.Session != long[:128] || r.Source != netip.MustParseAddr("2001:db8::1") {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if table.Evidence(Key{Per: PerAccount, Account: "1002"}) != nil {
		t.Error("evidence for a key without thresholds")
	}
}

func TestForget(t *testing.T) {
	table := newTable(t, Limits{}, guessing...)
	key := Key{Per: PerSource, Prefix: netip.MustParsePrefix("192.0.2.66/32")}
	for range 2 {
		table.Observe(seen(start, InvalidPassword, "192.0.2.66", "1002"))
	}
	if !table.Forget(key) || table.Forget(key) {
		t.Error("Forget did not return true once and then false")
	}
	if vs := table.Observe(seen(start, InvalidPassword, "192.0.2.66", "1002")); len(vs) != 0 {
		t.Errorf("a forgotten key still has points: %s", fired(vs))
	}
	if got := len(table.Evidence(Key{Per: PerAccount, Account: "1002"})); got != 3 {
		t.Errorf("the account keeps %d records, want 3", got)
	}
	if !table.Forget(Key{Per: PerAccount, Account: "1002"}) {
		t.Error("the account is not forgotten")
	}
	checkTable(t, table)
}

func TestNewRejects(t *testing.T) {
	good := guessing[0]
	with := func(change func(*Threshold)) Threshold { t := good; change(&t); return t }
	for _, tt := range []struct {
		name      string
		threshold Threshold
		want      string
	}{
		{"no kind of key", with(func(t *Threshold) { t.Per = 0 }), "per: want"},
		{"no points", with(func(t *Threshold) { t.Points = nil }), "no signal"},
		{"points below 1", with(func(t *Threshold) { t.Points = map[Signal]int{Tampering: -1} }), "points of Tampering: -1"},
		{"an unknown signal", with(func(t *Threshold) { t.Points = map[Signal]int{200: 1} }), "unknown signal"},
		{"no score", with(func(t *Threshold) { t.Score = 0 }), "score: 0"},
		{"no time", with(func(t *Threshold) { t.Within = 0 }), "within: 0s"},
		{"too much to remember", with(func(t *Threshold) { t.Score = 70000 }), "remember 70000"},
	} {
		_, err := New([]Threshold{tt.threshold}, Limits{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if _, err := New(nil, Limits{Records: 256}); err == nil {
		t.Error("too many records are accepted")
	}
	if table, err := New(nil, Limits{}); err != nil || table.Observe(seen(start, InvalidPassword, "192.0.2.66", "1")) != nil {
		t.Error("a table without thresholds has verdicts")
	}
}

func TestTop(t *testing.T) {
	table := newTable(t, Limits{}, guessing...)
	for i, source := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3", "192.0.2.3", "192.0.2.3", "192.0.2.4"} {
		table.Observe(seen(start.Add(time.Duration(i)*time.Second), InvalidPassword, source, "1002"))
	}
	all := table.Top(start.Add(time.Minute), PerSource, 3)
	var got []string
	for _, s := range all {
		got = append(got, s.Key.String())
	}
	// 192.0.2.3 fired and has 3 of 10 points left towards slow guessing.
	if want := "192.0.2.2 192.0.2.4 192.0.2.1"; strings.Join(got, " ") != want {
		t.Errorf("top keys %v, want %s", got, want)
	}
	k, i := table.lookUp(Key{Per: PerSource, Prefix: netip.MustParsePrefix("192.0.2.3/32")})
	s := table.status(k, i, start.Add(time.Minute))
	if !s.Fired || s.Scores[0].Points != 0 || s.Scores[1].Points != 3 || !s.Last.Equal(start.Add(5*time.Second)) {
		t.Errorf("status of the one that fired: %+v", s)
	}
	if s := table.Top(start.Add(2*time.Hour), PerSource, 9); s[0].Scores[0].Points != 0 || s[0].Fired {
		t.Errorf("two hours later: %+v", s[0])
	}
}

func TestNames(t *testing.T) {
	for _, s := range Signals() {
		if got, err := ParseSignal(s.String()); err != nil || got != s {
			t.Errorf("%v reads back as %v, %v", s, got, err)
		}
	}
	for _, bad := range []string{" within 1m30s", "NoSignal", "invalidpassword"} {
		if _, err := ParseSignal(bad); err == nil {
			t.Errorf("%q is a signal", bad)
		}
	}
	if p, err := ParsePer("network"); err != nil || p != PerNetwork {
		t.Error("network is not a kind of key")
	}
	if p, err := ParseProof("claimed"); err != nil || p != Spoofable {
		t.Error("claimed is not a proof")
	}
	if _, err := ParseProof("sure"); err == nil || Signal(99).String() != "score.Signal(99)" {
		t.Error("invalid values have names")
	}
}
