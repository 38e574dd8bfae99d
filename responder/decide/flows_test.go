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

func TestCut(t *testing.T) {
	cut := func(change func(v *score.Verdict), accounts ...string) *score.Verdict {
		if len(accounts) == 0 {
			accounts = []string{"1004", "1004", "1004"}
		}
		v := wrongPassword(5073, accounts...)
		if change != nil {
			change(v)
		}
		return v
	}
	const phone, guesser = `the phone of extension "1004" has a wrong password, correct it`, "a device that tries passwords of 1004"
	for name, tc := range map[string]struct {
		verdict *score.Verdict
		foreign bool // the account is not at home at the address
		want    string
	}{
		"one phone":                  {cut(nil), false, phone},
		"not at home there":          {cut(nil), true, guesser + ": find it behind this address"},
		"several accounts":           {cut(nil, "1001", "1002", "1004"), false, guesser + " and 2 more: find it behind this address"},
		"several accounts, long ago": {cut(func(v *score.Verdict) { v.Evidence[0].At = noon.Add(-2 * time.Hour) }, "1001", "1004", "1004"), false, phone},
		"spoofed packets":            {cut(func(v *score.Verdict) { v.Proven = false }), false, ""},
		"a connection":               {cut(func(v *score.Verdict) { v.Cause.Transport = event.WSS }), false, phone},
		"over who knows what":        {cut(func(v *score.Verdict) { v.Cause.Transport = event.TransportUnknown }), false, ""},
		"no port":                    {cut(func(v *score.Verdict) { v.Cause.Port = 0 }), false, ""},
		"a verdict on the network":   {cut(func(v *score.Verdict) { v.Key.Per = score.PerNetwork }), false, phone},
		"and others there": {cut(func(v *score.Verdict) {
			v.Key.Per, v.Evidence[0].Source = score.PerNetwork, netip.MustParseAddr("198.51.100.11")
		}, "1001", "1004", "1004"), false, phone},
		"a scan": {cut(func(v *score.Verdict) { v.Cause.Signal = score.InvalidAccountID }), false, "the device behind this port did what the reason says"},
		"calls": {cut(func(v *score.Verdict) {
			v.Key, v.Cause.Signal = score.Key{Per: score.PerAccount, Account: "1004"}, score.CallRate
		}), false, `the phone of extension "1004" did what the reason says, or somebody else behind this address`},
	} {
		var f Flows
		flow, ok := f.Cut(tc.verdict, !tc.foreign, "", true)
		if ok != (tc.want != "") || flow.About != tc.want {
			t.Errorf("%s: %t, %q", name, ok, flow.About)
		}
		if ok && (flow.At != netip.MustParseAddrPort(office+":5073") || flow.Connection != (name == "a connection")) {
			t.Errorf("%s: %+v", name, flow)
		}
	}
	var f Flows
	if flow, _ := f.Cut(wrongPassword(5073, "1004"), true, "Snom\r\n1004", true); flow.Phone != `the phone of extension "1004" (User-Agent "Snom\r\n1004")` {
		t.Errorf("the phone is %s", flow.Phone)
	}
	mixed := cut(func(v *score.Verdict) { v.Evidence[0].Signal = score.InvalidAccountID })
	if OnePhone(mixed) || !OnePhone(cut(nil)) || OnePhone(cut(nil, "1001", "1004")) {
		t.Error("what one phone does")
	}
}

// A phone whose router gives it other ports is still one phone; from a fourth port on it
// is a guesser, for an hour. Over connections a phone has a new port each time, and only a
// guesser needs many within a minute.
func TestManyPortsAreAGuesser(t *testing.T) {
	type step struct {
		what  string
		port  uint16
		after time.Duration
		want  bool
	}
	for name, tc := range map[string]struct {
		transport event.Transport
		accounts  []string
		steps     []step
	}{
		"over UDP": {event.UDP, []string{"1004"}, []step{
			{"the first port", 5070, 0, true},
			{"the second", 5071, 20 * time.Minute, true},
			{"the third", 5072, 40 * time.Minute, true},
			{"a fourth", 5073, 41 * time.Minute, false},
			{"the third goes on", 5072, 42 * time.Minute, true},
			{"a fourth, when the first no longer counts", 5073, time.Hour, true},
			{"a fifth", 5074, time.Hour + time.Minute, false},
		}},
		"a phone that connects again and again": {event.TLS, []string{"1004"}, []step{
			{"the first connection", 5070, 0, true},
			{"the second", 5071, time.Minute, true},
			{"the third", 5072, 2 * time.Minute, true},
			{"the fourth", 5073, 3 * time.Minute, true},
			{"the fifth", 5074, 4 * time.Minute, true},
		}},
		"a guesser at one account": {event.TCP, []string{"1004"}, []step{
			{"the first connection", 5070, 0, true},
			{"the second", 5071, time.Second, true},
			{"the third", 5072, 2 * time.Second, true},
			{"the fourth", 5073, 3 * time.Second, false},
		}},
		"a guesser at several": {event.WSS, []string{"1001", "1002", "1003"}, []step{
			{"the first connection", 5070, 0, true},
			{"the second", 5071, 10 * time.Minute, true},
			{"the third", 5072, 20 * time.Minute, true},
			{"the fourth", 5073, 30 * time.Minute, false},
		}},
	} {
		var f Flows
		for _, step := range tc.steps {
			v := wrongPassword(step.port, tc.accounts...)
			for i := range v.Evidence {
				v.Evidence[i].At = noon.Add(step.after)
			}
			v.At, v.Cause.Transport = noon.Add(step.after), tc.transport
			_, got := f.Cut(v, true, "", true)
			if got != step.want {
				t.Errorf("%s: %s: %t", name, step.what, got)
			}
			if got {
				f.Add(v)
			}
		}
		f.Prune(noon.Add(time.Hour + 40*time.Minute))
		if n := len(f.dropped[netip.MustParsePrefix(office+"/32")]); tc.transport == event.UDP && n != 2 {
			t.Errorf("%d flows kept, want 2", n)
		}
		f.Prune(noon.Add(3 * time.Hour))
		if len(f.dropped) != 0 {
			t.Errorf("%d addresses kept for ever", len(f.dropped))
		}
	}
}

// Calls end with their account's, so that no flow of a phone that makes them counts as
// a guesser's.
func TestCallsHaveRoomForTheirFlow(t *testing.T) {
	var f Flows
	for port := range uint16(5) {
		v := wrongPassword(5070+port, "1004")
		v.Key, v.Cause.Signal = score.Key{Per: score.PerAccount, Account: "1004"}, score.CallRate
		if _, ok := f.Cut(v, true, "", true); !ok {
			t.Errorf("flow %d is not cut", port)
		}
		f.Add(v)
	}
}

// There is room for so many addresses; those that are known go on.
func TestSharedAddressesAreBounded(t *testing.T) {
	at := func(i int) *score.Verdict {
		v := wrongPassword(5070, "1004")
		v.Cause.Source = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		return v
	}
	var f Flows
	for i := range maxShared {
		f.Add(at(i))
	}
	if _, ok := f.Cut(wrongPassword(5070, "1004"), true, "", true); ok {
		t.Error("one more than there is room for")
	}
	if flow, ok := f.Cut(at(1), true, "", true); !ok || !strings.Contains(flow.Phone, "1004") {
		t.Error("an address that is known is not spared any more")
	}
}

// An address is closed for longer each time that a guesser goes on, a day at most; not
// for a phone that connects too often, and not for what may be spoofed.
func TestClosing(t *testing.T) {
	l := Ladder{Spoofable: []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 48 * time.Hour}}
	guesser, phone := []string{"1001", "1002"}, []string{"1004"}
	for name, tc := range map[string]struct {
		accounts []string
		proven   bool
		pause    time.Duration // after the end of each
		want     []time.Duration
	}{
		"a guesser":          {guesser, true, time.Minute, []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 24 * time.Hour}},
		"who waits an hour":  {guesser, true, time.Hour, []time.Duration{10 * time.Minute, 10 * time.Minute}},
		"while it is closed": {guesser, true, -5 * time.Minute, []time.Duration{10 * time.Minute, 10 * time.Minute, 10 * time.Minute}},
		"a phone":            {phone, true, time.Minute, []time.Duration{10 * time.Minute, 10 * time.Minute, 10 * time.Minute}},
		"chan_sip names it":  {guesser, false, time.Minute, []time.Duration{10 * time.Minute, 10 * time.Minute}},
	} {
		var c Closing
		now := noon
		for n, want := range tc.want {
			v := wrongPassword(5070, tc.accounts...)
			v.At, v.Proven = now, tc.proven
			for i := range v.Evidence {
				v.Evidence[i].At = now
			}
			c = c.Next(v, l)
			if got := c.Until.Sub(now); got != want {
				t.Errorf("%s: closing %d lasts %s, want %s", name, n+1, got, want)
			}
			now = c.Until.Add(tc.pause)
		}
	}
}
