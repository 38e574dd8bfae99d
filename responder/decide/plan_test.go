package decide

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	guesser = netip.MustParsePrefix("192.0.2.66/32")
	ladder  = Ladder{Times: []time.Duration{time.Hour, 24 * time.Hour, 0}, Forget: 30 * 24 * time.Hour, Spoofable: []time.Duration{10 * time.Minute}}
)

// guessing is a verdict on an address that guesses at 1002.
func guessing(proven bool) *score.Verdict {
	return &score.Verdict{
		At: noon, Key: score.Key{Per: score.PerSource, Prefix: guesser},
		Threshold: &score.Threshold{Name: "password guessing", Playbook: "block", Within: time.Hour}, Proven: proven, Reason: "3 points",
		Cause: score.Record{Source: guesser.Addr(), Account: "1002", Transport: event.UDP},
	}
}

// broken is a verdict on an account that somebody broke into.
func broken(account string) *score.Verdict {
	return &score.Verdict{
		At: noon, Key: score.Key{Per: score.PerAccount, Account: account},
		Threshold: &score.Threshold{Name: "break-in", Playbook: "compromise", Within: time.Hour}, Proven: true,
		Cause: score.Record{Source: guesser.Addr(), Account: account},
	}
}

// scanning is a verdict on an address that names no account.
func scanning() *score.Verdict {
	return &score.Verdict{At: noon, Key: score.Key{Per: score.PerSource, Prefix: guesser}, Threshold: &score.Threshold{}, Cause: score.Record{Source: guesser.Addr()}}
}

// named writes steps as "kind target state; …", and their details.
func named(steps []incident.Step) (words, details string) {
	var w, d []string
	for _, s := range steps {
		w = append(w, string(s.Step)+" "+s.Target+" "+string(s.State))
		d = append(d, s.Detail)
	}
	return strings.Join(w, "; "), strings.Join(d, "; ")
}

func TestPlan(t *testing.T) {
	compromise := []incident.StepKind{incident.StepBan, incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepNotify}
	ban := []incident.StepKind{incident.StepBan}
	until := noon.Add(time.Hour)
	banned := incident.Ban{Prefix: guesser, Until: until}
	spoofable := incident.Ban{Prefix: guesser, Until: until, Scope: incident.ScopeSIP}
	flow := incident.Flow{At: netip.MustParseAddrPort("192.0.2.66:5070"), Phone: `the phone of extension "1002"`, About: `the phone of extension "1002" has a wrong password, correct it`}
	home := netip.MustParsePrefix("198.51.100.0/24")
	overTCP := guessing(false)
	overTCP.Cause.Transport = event.TCP
	provenTCP := guessing(true)
	provenTCP.Cause.Transport = event.TLS
	for name, tc := range map[string]struct {
		verdict  *score.Verdict
		playbook []incident.StepKind
		facts    Facts
		want     string // each step: kind, target and state
		detail   string // in some step
	}{
		"a guesser is banned": {
			guessing(false), ban, Facts{}, "ban 192.0.2.66 intended", "",
		},
		"in mode observe people are notified and nothing is run": {
			guessing(false),
			[]incident.StepKind{incident.StepNotify, incident.StepExec},
			Facts{Observe: true, Command: "/bin/x"},
			"notify operator intended; exec /bin/x skipped", "mode is observe: would run /bin/x",
		},
		"an allowed address is never banned, the other steps run": {
			broken("1002"), compromise,
			Facts{Allowed: true},
			"ban 192.0.2.66 skipped; hangup 1002 intended; rotate 1002 intended; remove-registrations 1002 intended; notify operator intended", "on the allow list",
		},
		"a protected address is not banned on what can be spoofed": {
			guessing(false), ban,
			Facts{Protected: "registered contact of 1001"},
			"ban 192.0.2.66 skipped", "protected (registered contact of 1001), and the evidence can be spoofed",
		},
		"a protected address is banned on proof": {
			guessing(true), ban,
			Facts{Protected: "registered contact of 1001"},
			"ban 192.0.2.66 intended", "",
		},
		"a banned address's break-in is still contained": {
			broken("1002"), compromise,
			Facts{Banned: &banned},
			"ban 192.0.2.66 skipped; hangup 1002 intended; rotate 1002 intended; remove-registrations 1002 intended; notify operator intended", "already banned until 2026-11-22 13:00:00 UTC",
		},
		"a spoofable ban is no obstacle to a proven one": {
			guessing(true), ban, Facts{Banned: &spoofable}, "ban 192.0.2.66 intended", "",
		},
		"a spoofable ban is enough for spoofable evidence": {
			guessing(false), ban,
			Facts{Banned: &spoofable},
			"ban 192.0.2.66 skipped", "already banned until 2026-11-22 13:00:00 UTC (SIP and IAX2 over UDP only",
		},
		"closed SIP ports over UDP do not stop a connection": {
			overTCP, ban, Facts{Banned: &spoofable}, "ban 192.0.2.66 intended", "",
		},
		"a proven ban is wide enough for everything": {
			overTCP, ban, Facts{Banned: &banned}, "ban 192.0.2.66 skipped", "already banned",
		},
		"no more bans on spoofable evidence are accepted": {
			guessing(false), ban, Facts{Full: true}, "ban 192.0.2.66 skipped", "too many addresses that may be spoofed are banned already",
		},
		"proven evidence has room even then": {
			guessing(true), ban, Facts{Full: true}, "ban 192.0.2.66 intended", "",
		},
		"an account's own users are not cut off": {
			broken("1002"), ban,
			Facts{Home: "where 1002 is at home"},
			"ban 192.0.2.66 skipped", "where 1002 is at home",
		},
		"nobody to notify": {
			guessing(false),
			[]incident.StepKind{incident.StepBan, incident.StepNotify},
			Facts{NoReceiver: true},
			"ban 192.0.2.66 intended; notify operator skipped", "no receiver is configured: set notify.webhook",
		},
		"nothing to run": {
			guessing(false), []incident.StepKind{incident.StepExec}, Facts{}, "exec  skipped", "no command is configured: set exec.command",
		},
		"a command to run": {
			guessing(false), []incident.StepKind{incident.StepExec}, Facts{Command: "/bin/x"}, "exec /bin/x intended", "",
		},
		"mode observe changes nothing and says what it would do": {
			broken("1002"), compromise,
			Facts{Observe: true},
			"ban 192.0.2.66 skipped; hangup 1002 skipped; rotate 1002 skipped; remove-registrations 1002 skipped; notify operator intended",
			"mode is observe: would ban 192.0.2.66 until 2026-11-22 13:00:00 UTC; mode is observe: would hang up every call of 1002; " +
				"mode is observe: would change the secret of 1002; mode is observe: would remove the registrations of 1002; ",
		},
		"mode observe says so of every other step, too": {
			broken("1002"),
			[]incident.StepKind{incident.StepHangupCall, incident.StepLock, incident.StepRestrict},
			Facts{Observe: true, Channel: "PJSIP/1002-00000001", Networks: []netip.Prefix{home}},
			"hangup-call PJSIP/1002-00000001 skipped; lock 1002 skipped; restrict 1002 skipped",
			"mode is observe: would hang up PJSIP/1002-00000001; mode is observe: would lock 1002; mode is observe: would restrict 1002 to 198.51.100.0/24",
		},
		"what is skipped anyway is not described in mode observe": {
			guessing(false), ban, Facts{Observe: true, Allowed: true}, "ban 192.0.2.66 skipped", "on the allow list",
		},
		"a manager account's calls and secret are not SIP's": {
			broken("AMI/admin"), compromise,
			Facts{},
			"ban 192.0.2.66 intended; hangup AMI/admin skipped; rotate AMI/admin skipped; remove-registrations AMI/admin skipped; notify operator intended", "manager.conf",
		},
		"a scan names no account": {
			scanning(),
			[]incident.StepKind{incident.StepBan, incident.StepHangup},
			Facts{},
			"ban 192.0.2.66 intended; hangup  skipped", "no extension is known",
		},
		"a verdict about a call ends it": {
			broken("1002"), []incident.StepKind{incident.StepHangupCall}, Facts{Channel: "PJSIP/1002-00000001"}, "hangup-call PJSIP/1002-00000001 intended", "",
		},
		"a verdict about no call ends none": {
			broken("1002"), []incident.StepKind{incident.StepHangupCall}, Facts{}, "hangup-call  skipped", "the incident is not about a single call",
		},
		"an account is locked": {
			broken("1002"), []incident.StepKind{incident.StepLock}, Facts{}, "lock 1002 intended", "",
		},
		"an account is restricted": {
			broken("1002"), []incident.StepKind{incident.StepRestrict}, Facts{Networks: []netip.Prefix{home}}, "restrict 1002 intended", "",
		},
		"an account cannot be restricted": {
			broken("1002"), []incident.StepKind{incident.StepRestrict}, Facts{Unlimited: "restricted already"}, "restrict 1002 skipped", "restricted already",
		},
		"one phone's flow is dropped and not its address": {
			guessing(true), ban, Facts{Flow: &flow, DropsFlows: true}, "ban 192.0.2.66:5070 intended", "",
		},
		"flows that the kernel cannot drop": {
			guessing(true), ban,
			Facts{Flow: &flow},
			"ban 192.0.2.66:5070 skipped", `the phone of extension "1002" has a wrong password, correct it; nothing is dropped`,
		},
		"a proxy": {
			guessing(true), ban, Facts{Sharing: ProxyPhones}, "ban 192.0.2.66 skipped", "4 other extensions use the same address and port, as behind a SIP proxy or SBC",
		},
		"a phone with several lines": {
			guessing(true), ban, Facts{Sharing: ProxyPhones - 1}, "ban 192.0.2.66 intended", "",
		},
		"where others live nothing is banned on proof, either": {
			guessing(true), ban,
			Facts{Healthy: 2, Protected: "used by 1001 and 1 more", Throttles: true, Closes: true},
			"ban 192.0.2.66 skipped", "2 other extensions are in use at this address; throttled until 2026-11-22 12:10:00 UTC, and longer while it goes on: at most 10 guesses a minute get through over UDP, the registered phones keep working; `tollwarden unban 192.0.2.66` ends that",
		},
		"nor over connections": {
			provenTCP, ban,
			Facts{Healthy: 1, Throttles: true, Closes: true, CloseFor: time.Hour},
			"ban 192.0.2.66 skipped", "another extension is in use at this address; nothing is let in from there over TCP, TLS and WebSocket until 2026-11-22 13:00:00 UTC, except from the registered phones; `tollwarden unban 192.0.2.66` ends that",
		},
		"nor where the kernel lets nobody decide": {
			guessing(true), ban,
			Facts{Healthy: 1, Closes: true, CloseFor: time.Hour},
			"ban 192.0.2.66 skipped", "nothing is let in from there over UDP until 2026-11-22 13:00:00 UTC",
		},
		"a call whose port is not known": {
			broken("1002"), compromise,
			Facts{Healthy: 1, AboutCall: true, Throttles: true, Closes: true},
			"ban 192.0.2.66 skipped; hangup 1002 intended; rotate 1002 intended; remove-registrations 1002 intended; notify operator intended",
			"another extension is in use at this address, and it is not known for certain from which port the call came",
		},
		"a flow of an allowed address": {
			guessing(true), ban, Facts{Flow: &flow, DropsFlows: true, Allowed: true}, "ban 192.0.2.66:5070 skipped", "on the allow list",
		},
		"a flow in mode observe": {
			guessing(true), ban,
			Facts{Flow: &flow, Observe: true},
			"ban 192.0.2.66:5070 skipped", `would drop the flow 192.0.2.66:5070: the phone of extension "1002" has a wrong password`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.facts.Target = TargetOf(tc.verdict)
			got, details := named(Plan(tc.verdict, tc.playbook, ladder, tc.facts))
			if got != tc.want {
				t.Errorf("plan\n got %s\nwant %s", got, tc.want)
			}
			if !strings.Contains(details, tc.detail) {
				t.Errorf("details %q do not say %q", details, tc.detail)
			}
		})
	}
	only := broken("1002")
	only.Threshold.Observe = true
	steps := Plan(only, compromise, ladder, Facts{Target: guesser, Observe: true})
	if got, detail := named(steps); !strings.HasSuffix(got, "notify operator intended") || !strings.HasPrefix(detail, "this threshold only observes: would ban 192.0.2.66 until ") || steps[0].Ban.Prefix.IsValid() {
		t.Errorf("a threshold that only observes: %s, %s, %+v", got, detail, steps[0].Ban)
	}
	steps = Plan(guessing(true), ban, ladder, Facts{})
	if got, detail := named(steps); got != "ban  skipped" || detail != "no address is known" || steps[0].Ban.Prefix.IsValid() {
		t.Errorf("without an address: %s, %s", got, detail)
	}
}

// Proof decides how long a ban lasts and what it drops; how the address was
// heard decides what is dropped without proof.
func TestBanFor(t *testing.T) {
	for name, tc := range map[string]struct {
		proven    bool
		transport event.Transport
		offences  int
		scope     incident.Scope
		lasts     time.Duration // 0 is forever
		offence   int
	}{
		"a first offence":               {true, event.UDP, 0, incident.ScopeAll, time.Hour, 1},
		"a second one":                  {true, event.TCP, 1, incident.ScopeAll, 24 * time.Hour, 2},
		"a third one is forever":        {true, event.UDP, 2, incident.ScopeAll, 0, 3},
		"spoofable over UDP":            {false, event.UDP, 0, incident.ScopeSIP, 10 * time.Minute, 0},
		"spoofable and no news":         {false, event.UDP, 7, incident.ScopeSIP, 10 * time.Minute, 0},
		"named over a connection":       {false, event.TCP, 0, incident.ScopeBrief, 10 * time.Minute, 0},
		"named over TLS":                {false, event.TLS, 5, incident.ScopeBrief, 10 * time.Minute, 0},
		"spoofable over who knows what": {false, event.TransportUnknown, 0, incident.ScopeSIP, 10 * time.Minute, 0},
	} {
		v := guessing(tc.proven)
		v.Cause.Transport = tc.transport
		b := BanFor(v, ladder, Facts{Target: guesser, Offences: tc.offences, Observe: true})
		until := noon.Add(tc.lasts)
		if tc.lasts == 0 {
			until = time.Time{}
		}
		if b.Scope != tc.scope || !b.Until.Equal(until) || b.Offence != tc.offence {
			t.Errorf("%s: %s, offence %d", name, b.UntilText(), b.Offence)
		}
		if b.Prefix != guesser || b.Since != noon || b.Reason != "3 points" || b.Origin != "password guessing" || !b.Observed {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// The first ban of a guesser closes Asterisk's ports, the second everything. Whoever has
// the right password starts at the second.
func TestScopeByOffence(t *testing.T) {
	byOffence := ladder
	byOffence.Scopes = []incident.Scope{incident.ScopeAsterisk, incident.ScopeAll}
	always := ladder
	always.Scopes = byOffence.Scopes[:1]
	thief := broken("1002")
	thief.Cause.Signal = score.SuccessAfterFailures
	caller := broken("1002")
	caller.Cause.Signal = score.CallRate
	anonymous := broken("1002")
	anonymous.Cause.Signal = score.AnonymousCall
	attacked := broken("1002") // by guessers
	attacked.Cause.Signal = score.InvalidPassword
	spoofed := broken("1002")
	spoofed.Cause.Signal, spoofed.Cause.Transport, spoofed.Proven = score.SuccessAfterFailures, event.UDP, false
	first := incident.Ban{Prefix: guesser, Until: noon.Add(time.Hour), Scope: incident.ScopeAsterisk, Offence: 1}
	released := first
	released.Until = time.Time{}
	network := first
	network.Prefix = netip.MustParsePrefix("192.0.2.0/24")
	all := first
	all.Scope = incident.ScopeAll
	for name, tc := range map[string]struct {
		verdict  *score.Verdict
		ladder   Ladder
		offences int
		banned   *incident.Ban
		scope    incident.Scope // "" is: no new ban
		lasts    time.Duration  // 0 is forever
		offence  int
	}{
		"a first offence":                      {guessing(true), byOffence, 0, nil, incident.ScopeAsterisk, time.Hour, 1},
		"a second one":                         {guessing(true), byOffence, 1, nil, incident.ScopeAll, 24 * time.Hour, 2},
		"a third one":                          {guessing(true), byOffence, 2, nil, incident.ScopeAll, 0, 3},
		"everything from the first":            {guessing(true), ladder, 0, nil, incident.ScopeAll, time.Hour, 1},
		"never everything":                     {guessing(true), always, 5, nil, incident.ScopeAsterisk, 0, 6},
		"spoofable":                            {guessing(false), byOffence, 0, nil, incident.ScopeSIP, 10 * time.Minute, 0},
		"the right password":                   {thief, byOffence, 0, nil, incident.ScopeAll, 24 * time.Hour, 1},
		"the right password, spoofable":        {spoofed, byOffence, 0, nil, incident.ScopeSIP, 10 * time.Minute, 0},
		"the right password after an offence":  {thief, byOffence, 1, nil, incident.ScopeAll, 24 * time.Hour, 2},
		"a thief's calls":                      {caller, byOffence, 0, nil, incident.ScopeAll, 24 * time.Hour, 1},
		"anonymous calls":                      {anonymous, byOffence, 0, nil, incident.ScopeAsterisk, time.Hour, 1},
		"guesses at an account":                {attacked, byOffence, 0, nil, incident.ScopeAsterisk, time.Hour, 1},
		"guesses that were in the queues":      {guessing(true), byOffence, 1, &first, "", 0, 0},
		"the right password during a ban":      {thief, byOffence, 1, &first, incident.ScopeAll, 24 * time.Hour, 2},
		"… of the network":                     {thief, byOffence, 0, &network, incident.ScopeAll, 24 * time.Hour, 1},
		"… of an operator's, until released":   {thief, byOffence, 0, &released, incident.ScopeAll, 0, 1},
		"… of everything":                      {thief, byOffence, 1, &all, "", 0, 0},
		"… where everything is never closed":   {thief, always, 1, &first, "", 0, 0},
		"a spoofable ban, proven":              {guessing(true), byOffence, 0, &incident.Ban{Prefix: guesser, Until: noon.Add(time.Hour), Scope: incident.ScopeSIP}, incident.ScopeAsterisk, time.Hour, 1},
		"a long spoofable ban, proven":         {guessing(true), byOffence, 0, &incident.Ban{Prefix: guesser, Until: noon.Add(5 * time.Hour), Scope: incident.ScopeSIP}, incident.ScopeAsterisk, 5 * time.Hour, 1},
		"a spoofable one, proven a second one": {guessing(true), byOffence, 1, &incident.Ban{Prefix: guesser, Until: noon.Add(time.Hour), Scope: incident.ScopeSIP}, incident.ScopeAll, 24 * time.Hour, 2},
	} {
		steps := Plan(tc.verdict, []incident.StepKind{incident.StepBan}, tc.ladder, Facts{Target: guesser, Offences: tc.offences, Banned: tc.banned})
		b := steps[0].Ban
		if tc.scope == "" {
			if b.Prefix.IsValid() || !strings.HasPrefix(steps[0].Detail, "already banned") {
				t.Errorf("%s: %+v", name, steps[0])
			}
			continue
		}
		until := noon.Add(tc.lasts)
		if tc.lasts == 0 {
			until = time.Time{}
		}
		if b.Scope != tc.scope || !b.Until.Equal(until) || b.Offence != tc.offence {
			t.Errorf("%s: %s %s, offence %d", name, b.Scope, b.UntilText(), b.Offence)
		}
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
	if got := (Ladder{}).Until(noon, 1); !got.IsZero() {
		t.Errorf("without a ladder a ban lasts until %v", got)
	}
}

// What still comes from an address whose drop has just taken effect makes no
// incident; a break-in does, whoever is banned.
func TestNothingNew(t *testing.T) {
	banned := incident.Ban{Prefix: guesser, Until: noon.Add(time.Hour)}
	f := Facts{Target: guesser, Banned: &banned}
	informed := []incident.StepKind{incident.StepBan, incident.StepNotify, incident.StepExec}
	if v := guessing(false); !NothingNew(Plan(v, informed, ladder, f), f) {
		t.Error("a banned guesser makes a second incident")
	}
	if v := broken("1002"); NothingNew(Plan(v, []incident.StepKind{incident.StepBan, incident.StepRotate}, ladder, f), f) {
		t.Error("a break-in by a banned address is not answered")
	}
	f.Banned = nil
	if v := guessing(false); NothingNew(Plan(v, informed[:1], ladder, f), f) {
		t.Error("a first ban is not carried out")
	}
	f.Allowed = true
	if v := guessing(false); NothingNew(Plan(v, informed, ladder, f), f) {
		t.Error("an allowed guesser is never reported")
	}
}

func TestOnlyInforms(t *testing.T) {
	ban, notify := incident.StepBan, incident.StepNotify
	for name, tc := range map[string]struct {
		playbook []incident.StepKind
		facts    Facts
		want     bool
	}{
		"a notification alone":          {[]incident.StepKind{notify}, Facts{}, true},
		"a ban":                         {[]incident.StepKind{ban, notify}, Facts{}, false},
		"a ban that cannot be":          {[]incident.StepKind{ban, notify}, Facts{Allowed: true}, true},
		"a ban in mode observe":         {[]incident.StepKind{ban}, Facts{Observe: true}, false},
		"a hang-up":                     {[]incident.StepKind{incident.StepHangup}, Facts{}, false},
		"a restriction that cannot be":  {[]incident.StepKind{incident.StepRestrict, incident.StepExec}, Facts{Unlimited: "no"}, true},
		"a playbook that holds nothing": {nil, Facts{}, true},
	} {
		tc.facts.Target = guesser
		if got := OnlyInforms(Plan(guessing(false), tc.playbook, ladder, tc.facts)); got != tc.want {
			t.Errorf("%s only informs: %t", name, got)
		}
	}
}

func TestCompromised(t *testing.T) {
	for kind, want := range map[incident.StepKind]bool{
		incident.StepRotate: true, incident.StepRemoveRegistrations: true,
		incident.StepHangup: false, incident.StepLock: false, incident.StepRestrict: false, incident.StepBan: false,
	} {
		if got := Compromised([]incident.Step{{Step: incident.StepBan}, {Step: kind}}); got != want {
			t.Errorf("%s takes the account for a thief's: %t", kind, got)
		}
	}
}

// A proven verdict is the same offence as the spoofable ban of just its address
// by just its threshold.
func TestSameOffence(t *testing.T) {
	network := netip.MustParsePrefix("192.0.2.0/24")
	spoofable := incident.Ban{Prefix: guesser, Scope: incident.ScopeSIP, Origin: "password guessing"}
	brief, all, other, wide := spoofable, spoofable, spoofable, spoofable
	brief.Scope, all.Scope, other.Origin, wide.Prefix = incident.ScopeBrief, incident.ScopeAll, "scanning", network
	for name, tc := range map[string]struct {
		v      *score.Verdict
		banned *incident.Ban
		want   bool
	}{
		"proof of a spoofable ban": {guessing(true), &spoofable, true},
		"proof of a brief one":     {guessing(true), &brief, true},
		"no proof":                 {guessing(false), &spoofable, false},
		"no ban":                   {guessing(true), nil, false},
		"a proven ban":             {guessing(true), &all, false},
		"another threshold's ban":  {guessing(true), &other, false},
		"the ban of its network":   {guessing(true), &wide, false},
		"about an account":         {broken("1002"), &spoofable, false},
	} {
		if got := SameOffence(tc.v, Facts{Target: guesser, Banned: tc.banned}); got != tc.want {
			t.Errorf("%s is the same offence: %t", name, got)
		}
	}
}

// A network is dropped for what is proven alone; an account's verdict drops who
// caused it.
func TestTargetOf(t *testing.T) {
	network := netip.MustParsePrefix("192.0.2.0/24")
	turns := func(proven bool) *score.Verdict {
		v := guessing(proven)
		v.Key = score.Key{Per: score.PerNetwork, Prefix: network}
		return v
	}
	nowhere := broken("1002")
	nowhere.Cause.Source = netip.Addr{}
	v6 := broken("1002")
	v6.Cause.Source = netip.MustParseAddr("2001:db8:1:2::3")
	for name, tc := range map[string]struct {
		v    *score.Verdict
		want netip.Prefix
	}{
		"an address":                       {guessing(false), guesser},
		"a network, proven":                {turns(true), network},
		"a network that may be spoofed":    {turns(false), guesser},
		"an account":                       {broken("1002"), guesser},
		"an account from nobody knows":     {nowhere, netip.Prefix{}},
		"an account of a subscriber's /64": {v6, netip.MustParsePrefix("2001:db8:1:2::/64")},
	} {
		if got := TargetOf(tc.v); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
