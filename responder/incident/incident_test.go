package incident

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestBanInWords(t *testing.T) {
	for want, ban := range map[string]Ban{
		"until released":                {},
		"until 2026-11-22 12:00:00 UTC": {Until: noon, Scope: ScopeAll},
		"until 2026-11-22 12:00:00 UTC (SIP and IAX2 over UDP only: the address may be spoofed)":    {Until: noon, Scope: ScopeSIP},
		"until 2026-11-22 12:00:00 UTC (Asterisk's ports only; SSH and everything else stays open)": {Until: noon, Scope: ScopeAsterisk},
		"until 2026-11-22 12:00:00 UTC (for a short time: the address may be made up)":              {Until: noon, Scope: ScopeBrief},
		"until 2026-11-22 12:00:00 UTC (SIP and IAX2 over UDP only: the address may be spoofed; 3rd time)": {
			Prefix: netip.MustParsePrefix("192.0.2.66/32"), Until: noon, Scope: ScopeSIP, Repeat: 3,
		},
		"until released (SIP and IAX2 over UDP only: its addresses take turns and may be spoofed; 12th time)": {
			Prefix: netip.MustParsePrefix("2001:db8:66::/48"), Scope: ScopeSIP, Repeat: 12,
		},
	} {
		if got := ban.UntilText(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, ban := range map[string]Ban{
		"": {}, "1st time": {Offence: 1}, "22nd time": {Offence: 22}, "may be spoofed, 2nd time in a row": {Repeat: 2, Scope: ScopeSIP}, "may be spoofed": {Scope: ScopeBrief},
	} {
		if got := ban.Rung(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Each scope drops all that a narrower one does.
func TestScopes(t *testing.T) {
	for _, scopes := range [][]Scope{{ScopeSIP}, {ScopeAsterisk}, {ScopeBrief, ScopeAll, ""}} {
		for _, s := range scopes {
			for _, than := range []Scope{ScopeSIP, ScopeAsterisk, ScopeBrief, ScopeAll, ""} {
				want := s != ScopeSIP && than == ScopeSIP || s.Everything() && than == ScopeAsterisk
				if got := s.Wider(than); got != want {
					t.Errorf("%q is wider than %q: %v", s, than, got)
				}
			}
		}
	}
	for scope, want := range map[Scope]string{ScopeSIP: "SIP and IAX2 over UDP", ScopeAsterisk: "Asterisk's ports", ScopeBrief: "everything", ScopeAll: "everything", "": "everything"} {
		if got := scope.Words(); got != want || scope.Everything() != (want == "everything") {
			t.Errorf("%q: %q, everything: %v", scope, got, scope.Everything())
		}
	}
	if (Ban{Scope: ScopeAsterisk}).Spoofable() {
		t.Error("a ban of Asterisk's ports counts as one on spoofable evidence")
	}
}

func TestBanInTime(t *testing.T) {
	hour, forever := Ban{Until: noon.Add(time.Hour)}, Ban{}
	for _, c := range []struct {
		at   time.Time
		ban  Ban
		want bool
	}{
		{noon, hour, true}, {noon.Add(time.Hour), hour, false}, {noon.Add(time.Hour - 1), hour, true}, {noon.AddDate(100, 0, 0), forever, true},
	} {
		if got := c.ban.InForce(c.at); got != c.want {
			t.Errorf("%s is in force at %s: %t", c.ban.UntilText(), c.at, got)
		}
	}
}

// JSON says null where a time has not come, and names every scope.
func TestJSON(t *testing.T) {
	for name, c := range map[string]struct {
		value any
		want  []string
	}{
		"a ban without an end":      {Ban{Prefix: netip.MustParsePrefix("192.0.2.66/32")}, []string{`"until":null`, `"scope":"all"`, `"packets":null`}},
		"a ban with one":            {Ban{Until: noon, Scope: ScopeSIP}, []string{`"until":"2026-11-22T12:00:00Z"`, `"scope":"sip"`}},
		"a call that is up":         {Call{Channel: "PJSIP/1002-00000001", Began: noon}, []string{`"ended":null`, `"answered":null`}},
		"an incident without steps": {Incident{ID: 7}, []string{`"id":7`, `"steps":[]`}},
		"a step under way":          {Step{Step: StepBan, State: Intended}, []string{`"step":"ban"`, `"took":""`}},
		"a step done":               {Step{Took: Elapsed(1234567 * time.Nanosecond)}, []string{`"took":"1.23ms"`}},
	} {
		text, err := json.Marshal(c.value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s is %s, want %s in it", name, text, want)
			}
		}
	}
}

func TestElapsedReadsWhatItWrote(t *testing.T) {
	for _, d := range []time.Duration{0, 40 * time.Microsecond, 3 * time.Millisecond, 1500 * time.Millisecond} {
		text, err := Elapsed(d).MarshalText()
		var back Elapsed
		if err != nil || back.UnmarshalText(text) != nil || back != Elapsed(d) {
			t.Errorf("%s is read as %s", d, back)
		}
	}
	var e Elapsed
	if e.UnmarshalText([]byte("soon")) == nil {
		t.Error("nonsense is a time")
	}
}

func TestPrefixText(t *testing.T) {
	for _, text := range []string{"192.0.2.66", "192.0.2.0/24", "2001:db8::/64", "2001:db8::1"} {
		p, err := ParsePrefix(text)
		if err != nil || PrefixText(p) != text {
			t.Errorf("%q is read as %s and written as %q, %v", text, p, PrefixText(p), err)
		}
	}
	for _, text := range []string{"", "192.0.2", "192.0.2.0/33", "pbx"} {
		if _, err := ParsePrefix(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	list := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/48")}
	if got := PrefixesText(list); got != "192.0.2.0/24 2001:db8::/48" {
		t.Errorf("%q", got)
	}
}

// The first reason stays, and what has an outcome keeps it.
func TestSkipUnless(t *testing.T) {
	s := Step{State: Intended}
	s.SkipUnless(true, "no")
	if s.State != Intended || s.Detail != "" {
		t.Errorf("skipped though all is well: %+v", s)
	}
	s.SkipUnless(false, "the first reason")
	s.SkipUnless(false, "the second")
	if s.State != Skipped || s.Detail != "the first reason" {
		t.Errorf("%+v", s)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 bans", 1: "1 ban", 3: "3 bans"} {
		if got := Count(n, "ban"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Whatever the network sent: the lines show it in printing ASCII, and nothing
// of it is lost on the way through JSON but which line ends there were.
func FuzzRaw(f *testing.F) {
	for _, text := range []string{"", "Event: x\r\nAccountID: \x00\xff\\\r\n", "a\nb", "\\x41\r\n", "a\nb\r\nc"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range Raw(text).Lines() {
			if i := strings.IndexFunc(line, func(c rune) bool { return c < ' ' || c > '~' }); i >= 0 {
				t.Fatalf("%q shows %q", text, line[i:])
			}
		}
		written, err := json.Marshal(Raw(text))
		if err != nil {
			t.Fatal(err)
		}
		var back Raw
		if err := json.Unmarshal(written, &back); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(text, "\r\n") && string(back) != text {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}

// Records of earlier releases name steps as those did.
func TestStepsOfEarlierReleases(t *testing.T) {
	for name, want := range map[string]StepKind{
		"expire-contacts": StepRemoveRegistrations, "remove-registrations": StepRemoveRegistrations, "ban": StepBan, "": "",
	} {
		if got := StepNamed(name); got != want {
			t.Errorf("step %q is %q, want %q", name, got, want)
		}
		var step Step
		if err := json.Unmarshal([]byte(`{"step":"`+name+`"}`), &step); err != nil || step.Step != want {
			t.Errorf("from JSON, step %q is %q (%v), want %q", name, step.Step, err, want)
		}
	}
}
