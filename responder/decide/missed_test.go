package decide

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// What a pause left undone counts as long as it would have without the pause, and for a
// day about an account.
func TestMissed(t *testing.T) {
	source := score.Key{Per: score.PerSource, Prefix: netip.MustParsePrefix("192.0.2.66/32")}
	account := score.Key{Per: score.PerAccount, Account: "1002"}
	verdict := func(k score.Key, threshold string) *score.Verdict {
		return &score.Verdict{At: noon, Key: k, Threshold: &score.Threshold{Name: threshold, Within: time.Hour}}
	}
	for name, tc := range map[string]struct {
		do   func(m *Missed)
		want string
	}{
		"all":                 {func(*Missed) {}, "guessing scanning break-in"},
		"once more":           {func(m *Missed) { m.Add(verdict(source, "scanning")) }, "guessing scanning break-in"},
		"acted on":            {func(m *Missed) { m.Forget(source, "guessing") }, "scanning break-in"},
		"a person decides":    {func(m *Missed) { m.ForgetAccount("1002") }, "guessing scanning"},
		"its network":         {func(m *Missed) { m.ForgetIn(netip.MustParsePrefix("192.0.2.0/24")) }, "break-in"},
		"another network":     {func(m *Missed) { m.ForgetIn(netip.MustParsePrefix("192.0.3.0/24")) }, "guessing scanning break-in"},
		"within the hour":     {func(m *Missed) { m.Prune(noon.Add(59 * time.Minute)) }, "guessing scanning break-in"},
		"an hour later":       {func(m *Missed) { m.Prune(noon.Add(time.Hour)) }, "break-in"},
		"a day later, nobody": {func(m *Missed) { m.Prune(noon.Add(24 * time.Hour)) }, ""},
	} {
		var m Missed
		m.Add(verdict(source, "guessing"))
		m.Add(verdict(source, "scanning"))
		m.Add(verdict(account, "break-in"))
		tc.do(&m)
		var got []string
		for _, k := range []score.Key{source, account} {
			for _, v := range m.Of(k) {
				got = append(got, v.Threshold.Name)
			}
		}
		if words := strings.Join(got, " "); words != tc.want {
			t.Errorf("%s: %q, want %q", name, words, tc.want)
		}
	}
}
