package decide

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

const office = "198.51.100.10"

// wrongPassword is a proven verdict on an address, for the failures of these
// accounts from one port, the last of them now.
func wrongPassword(port uint16, accounts ...string) *score.Verdict {
	source := netip.MustParseAddr(office)
	v := &score.Verdict{
		At: noon, Proven: true, Key: score.Key{Per: score.PerSource, Prefix: event.SourcePrefix(source)},
		Threshold: &score.Threshold{
			Name: "password guessing", Within: time.Hour,
			Points: map[score.Signal]int{score.ChallengeResponseFailed: 1, score.InvalidAccountID: 1},
		},
	}
	for i, a := range accounts {
		v.Evidence = append(v.Evidence, score.Record{
			At: noon.Add(time.Duration(i+1-len(accounts)) * time.Second), Signal: score.ChallengeResponseFailed,
			Source: source, Port: port, Transport: event.UDP, Account: a,
		})
	}
	v.Cause = v.Evidence[len(v.Evidence)-1]
	return v
}

func TestStaleFlow(t *testing.T) {
	stale := func(change func(v *score.Verdict)) *score.Verdict {
		v := wrongPassword(5073, "1004", "1004", "1004")
		change(v)
		return v
	}
	for name, tc := range map[string]struct {
		verdict *score.Verdict
		healthy int
		want    bool
	}{
		"one phone of an office":     {stale(func(*score.Verdict) {}), 3, true},
		"two others are an office":   {stale(func(*score.Verdict) {}), 2, true},
		"one other phone is none":    {stale(func(*score.Verdict) {}), 1, false},
		"many accounts":              {wrongPassword(5073, "1001", "1002", "1004"), 3, false},
		"spoofed packets":            {stale(func(v *score.Verdict) { v.Proven = false }), 3, false},
		"a connection has no flow":   {stale(func(v *score.Verdict) { v.Cause.Transport = event.TCP }), 3, false},
		"a verdict on the network":   {stale(func(v *score.Verdict) { v.Key.Per = score.PerNetwork }), 3, false},
		"no account":                 {stale(func(v *score.Verdict) { v.Cause.Account = "" }), 3, false},
		"an account that is unknown": {stale(func(v *score.Verdict) { v.Cause.Signal = score.InvalidAccountID }), 3, false},
		"a scan among the failures":  {stale(func(v *score.Verdict) { v.Evidence[0].Signal = score.InvalidAccountID }), 3, false},
		"a scan too old to count": {stale(func(v *score.Verdict) {
			v.Evidence[0].Signal, v.Evidence[0].At = score.InvalidAccountID, noon.Add(-time.Hour)
		}), 3, true},
		"another's failure, long ago": {stale(func(v *score.Verdict) { v.Evidence[0].Account, v.Evidence[0].At = "1001", noon.Add(-2*time.Hour) }), 3, true},
		"a success counts nothing":    {stale(func(v *score.Verdict) { v.Evidence[0].Signal, v.Evidence[0].Account = score.SuccessfulAuth, "1001" }), 3, true},
	} {
		var f Flows
		flow, ok := f.Stale(tc.verdict, tc.healthy, "")
		if ok != tc.want {
			t.Errorf("%s: %t", name, ok)
		}
		if ok && (flow.At != netip.MustParseAddrPort(office+":5073") || flow.Phone != `the phone of account "1004"`) {
			t.Errorf("%s: %+v", name, flow)
		}
	}
	var f Flows
	if flow, _ := f.Stale(wrongPassword(5073, "1004"), 2, "Snom\r\n1004"); flow.Phone != `the phone of account "1004" (User-Agent "Snom\r\n1004")` {
		t.Errorf("the phone is %s", flow.Phone)
	}
}

// A phone whose router gives it other ports is still one phone; from a fourth
// port on it is a guesser, for an hour.
func TestManyPortsAreAGuesser(t *testing.T) {
	var f Flows
	stale := func(port uint16, after time.Duration) bool {
		v := wrongPassword(port, "1004")
		v.At = noon.Add(after)
		_, ok := f.Stale(v, 3, "")
		if ok {
			f.Add(v)
		}
		return ok
	}
	for _, step := range []struct {
		what  string
		port  uint16
		after time.Duration
		want  bool
	}{
		{"the first port", 5070, 0, true},
		{"the second", 5071, 20 * time.Minute, true},
		{"the third", 5072, 40 * time.Minute, true},
		{"a fourth", 5073, 41 * time.Minute, false},
		{"the third goes on", 5072, 42 * time.Minute, true},
		{"a fourth, when the first no longer counts", 5073, time.Hour, true},
		{"a fifth", 5074, time.Hour + time.Minute, false},
	} {
		if got := stale(step.port, step.after); got != step.want {
			t.Errorf("%s: %t", step.what, got)
		}
	}
	f.Prune(noon.Add(time.Hour + 40*time.Minute))
	if n := len(f.dropped[netip.MustParsePrefix(office+"/32")]); n != 2 {
		t.Errorf("%d flows kept, want 2", n)
	}
	f.Prune(noon.Add(3 * time.Hour))
	if len(f.dropped) != 0 {
		t.Errorf("%d addresses kept for ever", len(f.dropped))
	}
}

// Without room for one more address nothing is spared: it is banned like any
// other.
func TestSharedAddressesAreBounded(t *testing.T) {
	var f Flows
	for i := range maxShared {
		v := wrongPassword(5070, "1004")
		v.Key.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
		f.Add(v)
	}
	if _, ok := f.Stale(wrongPassword(5070, "1004"), 3, ""); ok {
		t.Error("one more than there is room for")
	}
	known := wrongPassword(5070, "1004")
	known.Key.Prefix = netip.MustParsePrefix("10.0.0.1/32")
	if flow, ok := f.Stale(known, 3, ""); !ok || !strings.Contains(flow.Phone, "1004") {
		t.Error("an address that is known is not spared any more")
	}
}
