package contain

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Several incidents of one account are one containment, which lingers a moment
// after the last of them.
func TestSessions(t *testing.T) {
	var s Sessions
	incidents := func(after time.Duration) string {
		list, active := s.NewChannel(noon.Add(after), "1002", "PJSIP/1002-00000001")
		if active != s.Active(noon.Add(after), "1002") {
			t.Errorf("%s after: active is %t and not", after, active)
		}
		return fmt.Sprint(list)
	}
	if got := incidents(0); got != "[]" {
		t.Errorf("before: %s", got)
	}
	s.Finish(noon, "1002") // of nobody
	s.Begin("1002", 7)
	s.Begin("1002", 8)
	if got := incidents(0); got != "[7 8]" || s.Active(noon, "1003") {
		t.Errorf("during: %s", got)
	}
	s.Finish(noon, "1002")
	if got := incidents(time.Hour); got != "[7 8]" {
		t.Errorf("with one of them finished: %s", got)
	}
	s.Finish(noon, "1002")
	for after, want := range map[time.Duration]string{0: "[7 8]", lingers: "[7 8]", lingers + 1: "[]"} {
		if got := incidents(after); got != want {
			t.Errorf("%s after the last: %s, want %s", after, got, want)
		}
	}
	s.Prune(noon.Add(lingers))
	if len(s.by) != 1 {
		t.Error("forgotten while it lingers")
	}
	s.Begin("1002", 9)
	if got := incidents(time.Hour); got != "[9]" {
		t.Errorf("a new one: %s", got)
	}
	s.Finish(noon, "1002")
	s.Prune(noon.Add(time.Minute))
	if len(s.by) != 0 {
		t.Error("kept for ever")
	}
}

// Every channel counts once, whoever ended it.
func TestSessionsCountChannels(t *testing.T) {
	var s Sessions
	if n := s.Ended("1002", []string{"a", "b"}); n != 2 {
		t.Errorf("outside a containment: %d", n)
	}
	s.ChannelDown("1002", "a")
	s.Begin("1002", 7)
	s.NewChannel(noon, "1002", "swept")
	for _, step := range []struct {
		do   func() int
		want int
	}{
		{func() int { return s.Ended("1002", []string{"a", "b"}) }, 2},
		{func() int { return s.Ended("1002", []string{"b", "c"}) }, 3},
		{func() int { s.ChannelDown("1002", "swept"); return s.Ended("1002", nil) }, 4},
		{func() int { s.ChannelDown("1002", "somebody else's"); return s.Ended("1002", nil) }, 4},
		{func() int { return s.Ended("1002", []string{"swept"}) }, 4},
	} {
		if n := step.do(); n != step.want {
			t.Errorf("%d ended, want %d", n, step.want)
		}
	}
}

func TestRotations(t *testing.T) {
	var r Rotations
	if r.InGrace(noon, []byte("1002")) || !r.At("1002").IsZero() {
		t.Error("changed before it was")
	}
	r.Set("1002", noon)
	for after, want := range map[time.Duration]bool{0: true, Grace - 1: true, Grace: false} {
		if got := r.InGrace(noon.Add(after), []byte("1002")); got != want {
			t.Errorf("%s after: in grace %t", after, got)
		}
	}
	if r.InGrace(noon, []byte("1003")) {
		t.Error("another account is in grace")
	}
	account := []byte("1002")
	if n := testing.AllocsPerRun(100, func() { r.InGrace(noon, account) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	r.Prune(noon.Add(Grace))
	if r.At("1002") != noon {
		t.Error("forgotten in its last moment")
	}
	r.Prune(noon.Add(Grace + 1))
	if !r.At("1002").IsZero() {
		t.Error("kept for ever")
	}
}

// What is kept of a lock when there was one before.
func TestLocksKeep(t *testing.T) {
	for name, c := range map[string]struct {
		known string // "-" for no lock
		was   string
		keep  string
		first bool
		news  bool
	}{
		"a first lock":                            {"-", "PJSIP=internal", "PJSIP=internal", true, true},
		"a first one, before Asterisk is asked":   {"-", "", "", true, true},
		"Asterisk took it":                        {"", "PJSIP=internal", "PJSIP=internal", false, true},
		"Asterisk took it in part":                {"", "PJSIP=internal in-part", "PJSIP=internal in-part", false, true},
		"a second lock, before Asterisk is asked": {"PJSIP=internal", "", "PJSIP=internal", false, false},
		"a second lock":                           {"PJSIP=internal", "SIP=office", "PJSIP=internal", false, false},
		"found locked again":                      {"PJSIP=internal", "unknown", "PJSIP=internal", false, false},
		"the rest of one in part":                 {"PJSIP=internal in-part", "SIP=office", "PJSIP=internal SIP=office", false, true},
		"one in part, found locked":               {"PJSIP=internal in-part", "unknown", "PJSIP=internal", false, true},
		"one in part, the same again":             {"PJSIP=internal in-part", "PJSIP=internal", "PJSIP=internal", false, true},
		"one in part, and again in part":          {"PJSIP=internal in-part", "SIP=office in-part", "PJSIP=internal SIP=office in-part", false, true},
		"one in part, before Asterisk is asked":   {"PJSIP=internal in-part", "", "PJSIP=internal in-part", false, false},
	} {
		var l Locks
		if c.known != "-" {
			l.Restore("1002", c.known)
		}
		keep, first, changed := l.Keep("1002", c.was)
		if keep != c.keep || first != c.first || changed != c.news {
			t.Errorf("%s: keeps %q, first %t, changed %t", name, keep, first, changed)
		}
		if was, locked := l.Get("1002"); !locked || was != c.keep {
			t.Errorf("%s: is kept as %q, %t", name, was, locked)
		}
		if l.Forget("1002"); l.Enforced("1002") {
			t.Errorf("%s: enforced after it was forgotten", name)
		}
	}
}

// guessedFrom is a verdict on 1002, guessed at with proof from so many networks,
// from one without, and by its own office.
func guessedFrom(at time.Time, networks int) *score.Verdict {
	v := &score.Verdict{At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}}
	add := func(source string, proof score.Proof, s score.Signal) {
		v.Evidence = append(v.Evidence, score.Record{At: at, Source: netip.MustParseAddr(source), Proof: proof, Signal: s, Account: "1002"})
	}
	for n := range networks {
		add(fmt.Sprintf("203.0.%d.66", n), score.Proven, score.ChallengeResponseFailed)
		add(fmt.Sprintf("203.0.%d.67", n), score.Proven, score.InvalidPassword)
	}
	add("192.0.2.66", score.Spoofable, score.ChallengeResponseFailed)
	add("192.0.3.66", score.Proven, score.FailedACL)
	add("198.51.100.10", score.Proven, score.InvalidPassword)
	return v
}

func TestObjection(t *testing.T) {
	rule := RestrictRule{Networks: 3, Quiet: time.Hour}
	spoofable := rule
	spoofable.Spoofable = true
	known := []netip.Prefix{office}
	many := make([]netip.Prefix, maxNetworks+1)
	for name, c := range map[string]struct {
		rule      RestrictRule
		networks  int
		longKnown []netip.Prefix
		known     []netip.Prefix
		before    func(r *Restrictions)
		want      string
	}{
		"proven, from everywhere":               {rule, 3, known, known, nil, ""},
		"proven, from two networks":             {rule, 2, known, known, nil, "only 2 unknown networks guessed from confirmed addresses; 3 are needed, and the rest may be spoofed"},
		"one who is real":                       {rule, 1, known, known, nil, "only 1 unknown network guessed from confirmed addresses; 3 are needed, and the rest may be spoofed"},
		"spoofed ones count by the rule":        {spoofable, 2, known, known, nil, ""},
		"and have to be enough":                 {spoofable, 1, known, known, nil, "only 2 unknown networks guessed; 3 are needed"},
		"nobody knows where it is at home":      {rule, 3, nil, known, nil, "no network has been known for it long enough"},
		"it is at home everywhere":              {rule, 3, known, many, nil, "it is used from 65 networks"},
		"limited to its known networks already": {rule, 3, known, known, func(r *Restrictions) { r.Begin(noon, "1002", known) }, "limited to its known networks already"},
		"too many are": {rule, 3, known, known, func(r *Restrictions) {
			for n := range maxRestricted {
				r.Restore(noon, fmt.Sprint(n), known, noon)
			}
		}, "16 extensions are limited already"},
		"too many at once": {rule, 3, known, known, func(r *Restrictions) {
			for n := range maxRestricting {
				r.Begin(noon, fmt.Sprint(n), known)
			}
		}, "3 extensions are being limited now"},
		"it failed today": {rule, 3, known, known, func(r *Restrictions) {
			r.Begin(noon.Add(-time.Hour), "1002", known)
			r.Began(noon.Add(-time.Hour), "1002", errors.New("no section"))
			r.Ended(noon.Add(-time.Hour), "1002", nil)
		}, "an earlier attempt failed: no section"},
		"it failed yesterday": {rule, 3, known, known, func(r *Restrictions) {
			r.Begin(noon.Add(-cooldown), "1002", known)
			r.Began(noon.Add(-cooldown), "1002", errors.New("no section"))
			r.Ended(noon.Add(-cooldown), "1002", nil)
		}, ""},
		"a person ended it": {rule, 3, known, known, func(r *Restrictions) { r.LeaveAlone(noon.Add(-time.Hour), "1002") }, "a person ended its restriction"},
	} {
		r := NewRestrictions(c.rule)
		if c.before != nil {
			c.before(r)
		}
		if got := r.Objection(guessedFrom(noon, c.networks), "1002", c.longKnown, c.known); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// tried is an attempt on an account from an address, in a session.
func tried(account, source, session string, s score.Signal) *score.Observation {
	return &score.Observation{At: noon, Signal: s, Account: []byte(account), Source: netip.MustParseAddr(source), Session: []byte(session)}
}

// While an account is restricted its refusals are nobody's offence.
func TestRefusedByARestriction(t *testing.T) {
	restricted := func() *Restrictions {
		r := NewRestrictions(RestrictRule{Networks: 3, Quiet: time.Hour})
		r.Begin(noon, "1002", []netip.Prefix{office})
		return r
	}
	r := restricted()
	if r.Refused(tried("1002", "192.0.2.80", "a", score.FailedACL)) {
		t.Error("before Asterisk took it, it excuses somebody")
	}
	r.Began(noon, "1002", errors.New("read-only file system"))
	if r.Refused(tried("1002", "192.0.2.80", "a", score.FailedACL)) {
		t.Error("what Asterisk did not take excuses somebody")
	}
	r = restricted()
	r.Began(noon, "1002", nil)
	for _, step := range []struct {
		what string
		o    *score.Observation
		want bool
	}{
		{"the request", tried("1002", "192.0.2.80", "a", score.FailedACL), true},
		{"the answer to the challenge", tried("", "192.0.2.80", "a", score.ChallengeResponseFailed), true},
		{"another answer", tried("", "192.0.2.80", "a", score.ChallengeResponseFailed), false},
		{"another session's", tried("", "192.0.2.80", "b", score.ChallengeResponseFailed), false},
		{"from its own network", tried("1002", "198.51.100.10", "c", score.InvalidPassword), false},
		{"another account", tried("1003", "192.0.2.80", "d", score.FailedACL), false},
		{"a login", tried("1002", "192.0.2.80", "e", score.SuccessfulAuth), false},
	} {
		if got := r.Refused(step.o); got != step.want {
			t.Errorf("%s is excused: %t", step.what, got)
		}
	}
	for n := range maxRefusals + 10 {
		r.Refused(tried("1002", "192.0.2.80", fmt.Sprint(n), score.FailedACL))
	}
	if len(r.refusals) > maxRefusals || len(r.by["1002"].tried) > 3 {
		t.Errorf("%d refusals, %d networks are kept", len(r.refusals), len(r.by["1002"].tried))
	}
}

// A restriction ends when too few networks still try, or after a day.
func TestRestrictionIsDue(t *testing.T) {
	r := NewRestrictions(RestrictRule{Networks: 3, Quiet: time.Hour})
	due := func(after time.Duration) string { return strings.Join(r.Due(noon.Add(after)), " ") }
	r.Restore(noon, "1002", []netip.Prefix{office}, noon.Add(-time.Hour))
	try := func(after time.Duration, networks int) {
		for n := range networks {
			o := tried("1002", fmt.Sprintf("203.0.%d.66", n), "s", score.FailedACL)
			o.At = noon.Add(after)
			r.Refused(o)
		}
	}
	for _, step := range []struct {
		what     string
		after    time.Duration
		networks int // that try then
		want     string
	}{
		{"at the start of this process", 0, 0, ""},
		{"while it is watched for less than Quiet", time.Hour - 1, 0, ""},
		{"under attack", time.Hour, 3, ""},
		{"in the hour after", 2*time.Hour - 1, 0, ""},
		{"when two networks go on", 2 * time.Hour, 2, "1002"},
		{"when five do", 2 * time.Hour, 5, ""},
		{"after a day of it", 23 * time.Hour, 5, "1002"},
	} {
		try(step.after, step.networks)
		if got := due(step.after); got != step.want {
			t.Errorf("%s: due is %q", step.what, got)
		}
	}
	r.Configure(RestrictRule{Networks: 6, Quiet: time.Hour})
	if got := due(3 * time.Hour); got != "1002" {
		t.Errorf("by another rule: %q", got)
	}
}

// One that could not be ended is tried again after a minute, one that never was
// is given up after a day.
func TestRestrictionEnds(t *testing.T) {
	r := NewRestrictions(RestrictRule{Networks: 3, Quiet: time.Hour})
	failed := errors.New("read-only file system")
	if !r.Ended(noon, "1002", failed) {
		t.Error("what there was not is not gone")
	}
	r.Began(noon, "1002", nil) // nor can it begin
	r.Restore(noon, "1002", []netip.Prefix{office}, noon)
	if r.Ended(noon, "1002", failed) || len(r.Due(noon.Add(retryUnrestrict-1))) != 0 || len(r.Due(noon.Add(retryUnrestrict))) != 1 {
		t.Error("not tried again after a minute")
	}
	if r.Ended(noon.Add(10*longestAttack), "1002", failed) {
		t.Error("what is in force is given up")
	}
	if !r.Ended(noon, "1002", nil) || len(r.Due(noon)) != 0 {
		t.Error("not gone")
	}
	r.Begin(noon, "1002", nil)
	r.Began(noon, "1002", failed)
	if len(r.Due(noon)) != 1 || r.Ended(noon.Add(longestAttack-1), "1002", failed) || !r.Ended(noon.Add(longestAttack), "1002", failed) {
		t.Error("what never was is not given up after a day")
	}
	r.Prune(noon.Add(cooldown - 1))
	if len(r.cooling) != 1 {
		t.Error("an account is not left alone for a day")
	}
	r.Prune(noon.Add(cooldown))
	if len(r.cooling) != 0 {
		t.Error("an account is left alone for ever")
	}
}

func TestParseNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"198.51.100.0/24 2001:db8::/48": "198.51.100.0/24 2001:db8::/48",
		"198.51.100.0/24 rubbish":       "198.51.100.0/24",
		"":                              "",
	} {
		if got := incident.PrefixesText(ParseNetworks(text)); got != want {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func british(dialled string) string {
	if strings.HasPrefix(dialled, "0044") {
		return "GB"
	}
	return ""
}

// An incident has the calls that ended lately and those that are up; what a new
// one costs is known when it ends.
func TestCallLog(t *testing.T) {
	var l CallLog
	i := &incident.Incident{ID: 7}
	up := calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002", Dialled: "0088123", Since: noon, Answered: noon.Add(time.Second)}
	list := l.Begin(i,
		[]calls.Ended{{Channel: calls.Channel{Name: "PJSIP/1002-00000001", Account: "1002", Dialled: "0044123", Since: noon}, At: noon.Add(time.Minute)}},
		[]calls.Channel{up, {Name: "PJSIP/1002-00000003", Dialled: "s"}, {Name: "PJSIP/1002-00000004"}}, british)
	if len(list) != 2 || list[0].Call.Country != "GB" || list[0].Call.Ended != noon.Add(time.Minute) || !list[1].Call.Ended.IsZero() || list[1].Call.Answered != noon.Add(time.Second) {
		t.Fatalf("%+v", list)
	}
	if _, ok := l.Add([]int64{8}, up, time.Time{}, british); !ok {
		t.Error("a second incident does not have the call")
	}
	if _, ok := l.End(calls.Channel{Name: "PJSIP/1002-00000001", Dialled: "0044123"}, noon, british); ok {
		t.Error("an end was waited for that had come")
	}
	ended, ok := l.End(up, noon.Add(time.Hour), british)
	if !ok || fmt.Sprint(ended.Incidents) != "[7 8]" || ended.Call.Ended != noon.Add(time.Hour) || ended.Call.Dialled != "0088123" {
		t.Errorf("%t: %+v", ok, ended)
	}
	if _, ok := l.End(up, noon.Add(time.Hour), british); ok || len(l.open) != 0 {
		t.Error("it ends twice")
	}
	for n := range maxOpenCalls + 10 {
		if _, ok := l.Add([]int64{7}, calls.Channel{Name: fmt.Sprint(n), Dialled: "1"}, time.Time{}, british); !ok {
			t.Fatal("a call is not recorded")
		}
	}
	if len(l.open) != maxOpenCalls {
		t.Errorf("%d ends are waited for", len(l.open))
	}
}

// An incident's calls begin before its first evidence.
func TestSince(t *testing.T) {
	i := &incident.Incident{At: noon}
	if got := Since(i); got != noon.Add(-time.Hour) {
		t.Errorf("without evidence since %s", got)
	}
	i.Evidence = []incident.Evidence{{Record: score.Record{At: noon.Add(-24 * time.Hour)}}}
	if got := Since(i); got != noon.Add(-25*time.Hour) {
		t.Errorf("since %s", got)
	}
	i.Evidence[0].At = noon.Add(time.Hour) // by another sensor's clock
	if got := Since(i); got != noon.Add(-time.Hour) {
		t.Errorf("with late evidence since %s", got)
	}
}

func TestAboutCalls(t *testing.T) {
	nobody := breakIn(incident.StepHangup)
	nobody.Account = ""
	for name, c := range map[string]struct {
		i    *incident.Incident
		want bool
	}{
		"a hang-up":      {breakIn(incident.StepBan, incident.StepHangup), true},
		"one call":       {breakIn(incident.StepHangupCall), true},
		"a ban":          {breakIn(incident.StepBan, incident.StepRotate), false},
		"nobody's calls": {nobody, false},
		"without a step": {breakIn(), false},
	} {
		if got := AboutCalls(c.i); got != c.want {
			t.Errorf("%s is about calls: %t", name, got)
		}
	}
}
