package responder

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	guesser = netip.MustParsePrefix("192.0.2.66/32")
	ladder  = Ladder{Times: []time.Duration{time.Hour, 24 * time.Hour, 0}, Forget: 30 * 24 * time.Hour}
)

func guessing(proven bool) *score.Verdict {
	return &score.Verdict{
		At: noon, Key: score.Key{Per: score.PerSource, Prefix: guesser},
		Threshold: &score.Threshold{Name: "password guessing", Playbook: "block"}, Proven: proven, Reason: "3 points",
		Cause: score.Record{Source: guesser.Addr(), Account: "1002"},
	}
}

func broken(account string) *score.Verdict {
	return &score.Verdict{
		At: noon, Key: score.Key{Per: score.PerAccount, Account: account},
		Threshold: &score.Threshold{Name: "break-in", Playbook: "compromise"}, Proven: true,
		Cause: score.Record{Source: guesser.Addr(), Account: account},
	}
}

func TestPlan(t *testing.T) {
	compromise := []StepKind{StepBan, StepHangup, StepRotate, StepExpireContacts, StepNotify}
	banned := Ban{Prefix: guesser, Until: noon.Add(time.Hour)}
	for name, tc := range map[string]struct {
		verdict *score.Verdict
		book    []StepKind
		facts   facts
		want    string // each step: kind target state
		detail  string // in some step
	}{
		"a guesser is banned": {
			guessing(false), []StepKind{StepBan}, facts{}, "ban 192.0.2.66 intended", "",
		},
		"in mode observe nobody is told and nothing is run": {
			guessing(false), []StepKind{StepNotify, StepExec}, facts{observe: true, command: "/bin/x"}, "notify operator skipped; exec /bin/x skipped", "would run /bin/x",
		},
		"an allowed source is never banned, the other steps run": {
			broken("1002"), compromise,
			facts{allowed: true},
			"ban 192.0.2.66 skipped; hangup 1002 intended; rotate 1002 intended; expire-contacts 1002 intended; notify operator intended", "on the allow list",
		},
		"a protected source is not banned on what can be forged": {
			guessing(false), []StepKind{StepBan}, facts{protected: "registered contact of 1001"}, "ban 192.0.2.66 skipped", "registered contact of 1001",
		},
		"a protected source is banned on proof": {
			guessing(true), []StepKind{StepBan}, facts{protected: "registered contact of 1001"}, "ban 192.0.2.66 intended", "",
		},
		"a banned source's break-in is still contained": {
			broken("1002"), compromise,
			facts{banned: &banned},
			"ban 192.0.2.66 skipped; hangup 1002 intended; rotate 1002 intended; expire-contacts 1002 intended; notify operator intended", "already banned until 2026-11-22 13:00:00 UTC",
		},
		"nobody to notify": {
			guessing(false), []StepKind{StepBan, StepNotify}, facts{deaf: true}, "ban 192.0.2.66 intended; notify operator skipped", "notify.webhook",
		},
		"mode observe changes nothing and says what it would do": {
			broken("1002"), compromise,
			facts{observe: true},
			"ban 192.0.2.66 skipped; hangup 1002 skipped; rotate 1002 skipped; expire-contacts 1002 skipped; notify operator skipped",
			"mode is observe: would ban 192.0.2.66 until 2026-11-22 13:00:00 UTC",
		},
		"a manager account's calls and secret are not SIP's": {
			broken("AMI/admin"), compromise,
			facts{},
			"ban 192.0.2.66 intended; hangup AMI/admin skipped; rotate AMI/admin skipped; expire-contacts AMI/admin skipped; notify operator intended", "manager.conf",
		},
		"a scan names no account": {
			&score.Verdict{At: noon, Key: score.Key{Per: score.PerSource, Prefix: guesser}, Threshold: &score.Threshold{}, Cause: score.Record{Source: guesser.Addr()}},
			[]StepKind{StepBan, StepHangup},
			facts{},
			"ban 192.0.2.66 intended; hangup  skipped", "no account is known",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.facts.target = targetOf(tc.verdict)
			var got, details []string
			for _, s := range plan(tc.verdict, tc.book, ladder, tc.facts) {
				got = append(got, string(s.Kind)+" "+s.Target+" "+string(s.State))
				details = append(details, s.Detail)
			}
			if g := strings.Join(got, "; "); g != tc.want {
				t.Errorf("plan\n got %s\nwant %s", g, tc.want)
			}
			if all := strings.Join(details, "; "); !strings.Contains(all, tc.detail) {
				t.Errorf("details %q do not say %q", all, tc.detail)
			}
		})
	}
}

// What still comes from a source whose drop has just taken effect makes no
// incident; a break-in does, whoever is banned.
func TestIdle(t *testing.T) {
	banned := Ban{Prefix: guesser, Until: noon.Add(time.Hour)}
	f := facts{target: guesser, banned: &banned}
	if v := guessing(false); !idle(plan(v, []StepKind{StepBan, StepNotify}, ladder, f), f) {
		t.Error("a banned guesser makes a second incident")
	}
	if v := broken("1002"); idle(plan(v, []StepKind{StepBan, StepRotate}, ladder, f), f) {
		t.Error("a break-in by a banned source is not answered")
	}
	f.banned = nil
	if v := guessing(false); idle(plan(v, []StepKind{StepBan}, ladder, f), f) {
		t.Error("a first ban is not carried out")
	}
}

func TestLadder(t *testing.T) {
	for offence, want := range map[int]time.Time{
		0: noon.Add(time.Hour), 1: noon.Add(time.Hour), 2: noon.Add(24 * time.Hour), 3: {}, 9: {},
	} {
		if got := ladder.Until(noon, offence); got != want {
			t.Errorf("offence %d lasts until %v, want %v", offence, got, want)
		}
	}
}

func TestOffences(t *testing.T) {
	o := newOffences(24 * time.Hour)
	for i, at := range []time.Time{noon, noon.Add(time.Hour), noon.Add(25 * time.Hour)} {
		if n := o.add(at, guesser); n != i+1 {
			t.Errorf("offence %d counted as %d", i+1, n)
		}
	}
	if n := o.count(noon.Add(25*time.Hour+24*time.Hour), guesser); n != 3 {
		t.Errorf("%d offences on the last day they count, want 3", n)
	}
	if n := o.add(noon.Add(50*time.Hour), guesser); n != 1 {
		t.Errorf("a forgotten offender begins at %d, want 1", n)
	}
}

func TestOffencesAreBounded(t *testing.T) {
	o := newOffences(24 * time.Hour)
	late := noon.Add(time.Hour)
	o.set(guesser, 3, late)
	for i := range maxOffenders + 1000 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		o.set(netip.PrefixFrom(addr, 32), 1, noon)
	}
	if len(o.by) > maxOffenders {
		t.Errorf("%d offenders kept, want %d at most", len(o.by), maxOffenders)
	}
	if o.count(late, guesser) != 3 {
		t.Error("the latest offender was forgotten before older ones")
	}
}

func TestBookKnowsWhatCovers(t *testing.T) {
	b := &book{}
	network := netip.MustParsePrefix("192.0.2.0/24")
	b.put(Ban{Prefix: guesser, Since: noon, Until: noon.Add(time.Minute)})
	b.put(Ban{Prefix: network, Since: noon, Until: noon.Add(time.Hour)})
	for name, tc := range map[string]struct {
		at   time.Time
		ask  string
		want string
	}{
		"its own ban":                    {noon, "192.0.2.66/32", "192.0.2.66/32"},
		"the network around it":          {noon, "192.0.2.7/32", "192.0.2.0/24"},
		"its own ran out, the net holds": {noon.Add(2 * time.Minute), "192.0.2.66/32", "192.0.2.0/24"},
		"all ran out":                    {noon.Add(2 * time.Hour), "192.0.2.66/32", ""},
		"a wider prefix is not covered":  {noon, "192.0.0.0/16", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if ban, ok := b.covering(tc.at, netip.MustParsePrefix(tc.ask)); ok {
				got = ban.Prefix.String()
			}
			if got != tc.want {
				t.Errorf("covered by %q, want %q", got, tc.want)
			}
		})
	}
	b.prune(noon.Add(2 * time.Minute))
	if b.len() != 1 {
		t.Errorf("%d bans after pruning, want 1", b.len())
	}
}
