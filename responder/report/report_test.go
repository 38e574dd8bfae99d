package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

var update = flag.Bool("update", false, "write the expected texts anew")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// breakIn is a typical break-in: guesses, the right password, calls, and the steps
// taken.
func breakIn() incident.Incident {
	i := incident.Incident{
		ID: 41, At: noon.Add(5 * time.Second), Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Source: netip.MustParseAddr("203.0.113.9"),
		Threshold: "break-in", Playbook: "compromise", Reason: "6 failures from 3 sources, then a success from 203.0.113.9", Mode: "enforce",
		Steps: []incident.Step{
			{Step: "ban", Target: "203.0.113.9", State: "done", Detail: "until 2026-11-22 16:00:05 UTC", Took: took("210µs")},
			{Step: "hangup", Target: "1002", State: "done", Detail: "2 channels ended", Took: took("42ms")},
			{Step: "rotate", Target: "1002", State: "done", Detail: "in pjsip.conf, the new secret is in /var/lib/tollwarden/secrets", Took: took("180ms")},
			{Step: incident.StepRemoveRegistrations, Target: "1002", State: "done", Detail: "1 registration removed", Took: took("190ms")},
			{Step: "notify", Target: "operator", State: "failed", Detail: "webhook example.org: 503 Service Unavailable", Took: took("3s")},
		},
	}
	for n, source := range []string{"203.0.113.7", "203.0.113.7", "203.0.113.8", "203.0.113.8", "203.0.113.9", "203.0.113.9"} {
		i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{
			At: noon.Add(time.Duration(n) * 500 * time.Millisecond), Signal: score.ChallengeResponseFailed, Source: netip.MustParseAddr(source), Port: 5060,
			Transport: event.UDP, Account: "1002", Session: fmt.Sprintf("session-%d", n),
		}, Raw: incident.Raw("Event: ChallengeResponseFailed\r\nAccountID: 1002\r\nRemoteAddress: IPV4/UDP/" + source + "/5060\r\nResponse: (left out)\r\n")})
	}
	i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{
		At: noon.Add(5 * time.Second), Signal: score.SuccessAfterFailures, Source: netip.MustParseAddr("203.0.113.9"), Port: 5060, Transport: event.UDP,
		Proof: score.Proven, Account: "1002", Session: "session-9",
	}})
	for n, number := range []string{"00881234567", "900881234567"} {
		began := noon.Add(time.Duration(4900+n*20) * time.Millisecond)
		ended := began.Add(150*time.Millisecond + time.Duration(n)*61*time.Second)
		call := incident.Call{Channel: fmt.Sprintf("PJSIP/1002-%08x", n), Account: "1002", Dialled: number, Country: "GB", Began: began, Ended: ended}
		if n == 1 {
			call.Answered = began.Add(4 * time.Second)
		}
		i.Calls = append(i.Calls, call)
	}
	return i
}

// evil is what a stranger may write into every value.
const evil = "<script>alert(1)</script>\"'&\x1b[31m\r\nBcc: x@example.org\n\u202egnp.exe `rm -rf ~`"

// hostile is an incident in which every untrusted value is malicious.
func hostile() incident.Incident {
	i := breakIn()
	i.Account, i.Reason, i.Threshold, i.Playbook, i.Name = evil, evil, evil, evil, evil
	i.Key.Account = evil
	for n := range i.Evidence {
		i.Evidence[n].Account, i.Evidence[n].Session, i.Evidence[n].Raw = evil, evil, evil+"\r\n\xff\\x"
	}
	for n := range i.Steps {
		i.Steps[n].Detail, i.Steps[n].Target = evil, evil
	}
	for n := range i.Calls {
		i.Calls[n].Dialled, i.Calls[n].Channel = evil, "javascript:alert(1)"+evil
		i.Calls[n].Country, i.Calls[n].Cost = evil, incident.Cost{Amount: 5e6, Currency: evil}
	}
	return i
}

func guesser() incident.Incident {
	i := breakIn()
	i.Key, i.Threshold, i.Playbook, i.Calls = score.Key{Per: score.PerSource, Prefix: netip.MustParsePrefix("192.0.2.66/32")}, "password guessing", "block", nil
	i.Reason, i.Account = "3 wrong passwords for 1002 within 1h", ""
	i.Evidence, i.Steps = i.Evidence[:3], i.Steps[:1]
	return i
}

// moved is an account that others guessed at, and that was then used from a new address.
func moved() incident.Incident {
	i := breakIn()
	i.Threshold, i.Playbook = "new place after guessing", "new place after guessing"
	i.Reason = "somebody guessed at the password (6 wrong passwords from 3 addresses); then the account was used from 198.51.100.7, a new address: its owner's, or a thief's"
	i.Source = netip.MustParseAddr("198.51.100.7")
	last := &i.Evidence[len(i.Evidence)-1]
	last.Signal, last.Source, last.Proof = score.NewPlaceAfterFailures, i.Source, score.Spoofable
	i.Steps = []incident.Step{
		{Step: incident.StepLimitCosts, Target: "1002", State: "done", Detail: "costly calls from unknown addresses are ended until 2026-12-22 12:00 UTC", Took: 1},
		{Step: "notify", Target: "operator", State: "done", Detail: "mail", Took: took("3s")},
	}
	i.Calls = i.Calls[:1]
	return i
}

func observed() incident.Incident {
	i := breakIn()
	i.Mode = "observe"
	for n := range i.Steps {
		i.Steps[n].State, i.Steps[n].Detail, i.Steps[n].Took = incident.Skipped, "mode is observe: would do it", 0
	}
	i.Calls[1].Ended = time.Time{}
	return i
}

// The report says about what the calls cost, in text and HTML, and so does the mail, which is
// the report: also of calls that have not ended, and whether it is an estimate.
func TestWhatCallsCost(t *testing.T) {
	cost := func(amount int64, estimate bool) incident.Cost {
		return incident.Cost{Amount: amount, Currency: "EUR", Estimate: estimate}
	}
	for name, tc := range map[string]struct {
		first, second incident.Cost
		running       bool
		want          string
	}{
		"at the carrier's rates": {cost(0, false), cost(412_300_000, false), false, "About 412 EUR."},
		"one of them estimated":  {cost(12_300_000, true), cost(400_000_000, false), false, "About 412 EUR, an estimate at default rates."},
		"one of them still up":   {cost(12_300_000, true), cost(400_000_000, false), true, "About 412 EUR so far, an estimate at default rates."},
		"none known":             {cost(0, false), cost(0, false), false, ""},
	} {
		i := breakIn()
		i.Calls[0].Cost, i.Calls[1].Cost = tc.first, tc.second
		if tc.running {
			i.Calls[1].Ended = time.Time{}
		}
		for form, got := range map[string]string{"text": text(t, i), "HTML": page(t, i)} {
			if tc.want != "" && !strings.Contains(got, tc.want) || tc.want == "" && strings.Contains(got, "EUR") {
				t.Errorf("%s, %s: want %q in\n%s", name, form, tc.want, got)
			}
		}
	}
}

func text(t *testing.T, i incident.Incident) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Of(i, time.UTC).Text(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// words is the text however its lines are broken.
func words(t *testing.T, i incident.Incident) string {
	t.Helper()
	return strings.Join(strings.Fields(text(t, i)), " ")
}

func page(t *testing.T, i incident.Incident) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Of(i, time.UTC).HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Reports are for people, so the golden files hold them whole, to be read as well.
func TestStories(t *testing.T) {
	for name, i := range map[string]incident.Incident{"break-in": breakIn(), "guesser": guesser(), "observed": observed(), "moved": moved()} {
		t.Run(name, func(t *testing.T) {
			path, got := filepath.Join("testdata", name+".txt"), text(t, i)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the story (-want +got):\n%s", diff)
			}
		})
	}
}

// For every step that did not succeed the report says what to do.
func TestEveryStepThatFailedHasANextOne(t *testing.T) {
	for _, step := range []incident.StepKind{"ban", "hangup", "hangup-call", "rotate", incident.StepRemoveRegistrations, "lock", "restrict", incident.StepLimitCosts} {
		for _, state := range []incident.State{incident.Failed, incident.Intended} {
			i := guesser()
			i.Account = "1002"
			i.Steps = []incident.Step{{Step: step, Target: "a-target", State: state, Detail: "the disk is full"}}
			r := report.Of(i, time.UTC)
			if !strings.Contains(r.Outcome, "See what to do now") || !slices.ContainsFunc(r.Next, func(s string) bool { return strings.Contains(s, "a-target") }) {
				t.Errorf("%s %s: %q, next %q", step, state, r.Outcome, r.Next)
			}
		}
	}
}

// hostilePages are pages of every kind in which every untrusted value is malicious.
func hostilePages(t *testing.T) map[string]*report.Page {
	observed, bare, probation, origin := hostile(), hostile(), hostile(), hostile()
	observed.Mode, bare.Bare = incident.Observe, true
	probation.Evidence[len(probation.Evidence)-1].Signal = score.NewPlaceAfterFailures
	origin.Account = score.TrunkOrigins + evil
	origin.Key = score.Key{Per: score.PerOrigin, Account: origin.Account}
	style := report.Style{Site: evil, Zone: time.UTC}
	ours := strings.ReplaceAll(evil, "`", "") // the daemon's own words, which name commands
	week := badWeek()
	week.Incidents[0].Threshold, week.AtRisk[0].Account, week.AtRisk[0].Person, week.Abroad.Currency, week.Partial = evil, evil, evil, evil, evil
	week.Places[0].Place, week.Places[0].Currency, week.Failing[0].Name, week.Failing[0].Detail = evil, evil, evil, ours
	alarm := report.Alarm{Event: evil, At: noon, Text: ours, Checks: []report.Check{{Name: evil, Detail: ours}}}
	list := map[string]*report.Page{"week": style.Week(week), "alarm": style.Alarm(alarm)}
	for name, i := range map[string]incident.Incident{"break-in": hostile(), "observed": observed, "bare": bare, "probation": probation, "origin": origin} {
		list[name] = &style.Incident(i).Page
		list[name+" in German"] = &german(t).Incident(i).Page
	}
	return list
}

// Untrusted values cannot inject lines, markup, links, commands or control characters into
// subjects, texts and pages.
func TestHostileWords(t *testing.T) {
	for name, p := range hostilePages(t) {
		var text, page, mail bytes.Buffer
		if err := errors.Join(p.Text(&text), p.HTML(&page), p.MailHTML(&mail)); err != nil {
			t.Fatal(err)
		}
		for _, c := range text.String() {
			if c != '\n' && (c < ' ' || c == 0x7f || c == '\u202e') {
				t.Fatalf("%s: the text contains %U", name, c)
			}
		}
		if strings.ContainsAny(p.Subject(), "\r\n\x1b\u202e") || strings.Contains(text.String(), "\nBcc:") {
			t.Errorf("%s: subject %q", name, p.Subject())
		}
		for n, command := range strings.Split(text.String(), "`") {
			if n%2 == 1 && !strings.HasPrefix(command, "tollwarden ") && !strings.HasPrefix(command, "asterisk -rx ") {
				t.Errorf("%s: a stranger's command: %q", name, command)
			}
		}
		checkMarkup(t, name, page.String())
		checkMarkup(t, name+", mail", mail.String())
	}
}

// checkMarkup checks that a page has no markup but ours.
func checkMarkup(t *testing.T, name, page string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"html": true, "head": true, "meta": true, "title": true, "style": true, "body": true, "header": true, "main": true, "link": true,
		"h1": true, "h2": true, "p": true, "ul": true, "ol": true, "li": true, "time": true, "span": true,
		"div": true, "section": true, "footer": true, "svg": true, "desc": true, "text": true, "line": true, "g": true, "rect": true, "path": true,
		"table": true, "thead": true, "tbody": true, "tr": true, "th": true, "td": true, "code": true, "a": true,
	}
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && strings.ContainsAny(n.Data, "\u202e\x1b") {
			t.Errorf("%s: unprintable characters in %q", name, n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if !allowed[n.Data] {
			t.Errorf("%s: the page contains <%s>", name, n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "data:") {
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			}
		}
	}
}

// Anybody can verify the annex: it is complete, has one object per line, and its
// checksum is the one in the report.
func TestAnnex(t *testing.T) {
	for name, i := range map[string]incident.Incident{"break-in": breakIn(), "hostile": hostile()} {
		r := report.Of(i, time.UTC)
		sum := sha256.Sum256(r.Annex.Data)
		if r.Annex.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: wrong checksum", name)
		}
		lines := strings.Split(strings.TrimSuffix(r.Annex.Text(), "\n"), "\n")
		if len(lines) != len(i.Evidence)+len(i.Calls) {
			t.Fatalf("%s: %d lines", name, len(lines))
		}
		for _, line := range lines {
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s: unprintable characters in the line %q", name, line)
			}
		}
		var o incident.Evidence
		if err := json.Unmarshal([]byte(lines[0]), &o); err != nil || o.Session != i.Evidence[0].Session || !o.At.Equal(i.Evidence[0].At) || !slices.Equal(o.Raw.Lines(), i.Evidence[0].Raw.Lines()) {
			t.Errorf("%s: the first line is %+v, %v", name, o, err)
		}
		p := page(t, i)
		saved := regexp.MustCompile(`href="data:application/jsonl;base64,([^"]*)"`).FindStringSubmatch(p)
		if saved == nil {
			t.Fatalf("%s: no link to save the annex", name)
		}
		data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(saved[1], "&#43;", "+"))
		if err != nil || !bytes.Equal(data, r.Annex.Data) {
			t.Errorf("%s: the saved data is not the annex: %v", name, err)
		}
		if !strings.Contains(p, r.Annex.SHA256) || !strings.Contains(text(t, i), r.Annex.SHA256) {
			t.Errorf("%s: a report lacks the checksum", name)
		}
	}
}

// The report of a first ban says what stays open.
func TestFirstBan(t *testing.T) {
	i := breakIn()
	i.Steps = i.Steps[:1]
	i.Steps[0].Detail = incident.Ban{Until: noon, Scope: incident.ScopeAsterisk}.UntilText()
	if got := words(t, i); !strings.Contains(got, "Blocked 203.0.113.9 at Asterisk's ports until 12:00; SSH and everything else stays open.") {
		t.Errorf("%s", got)
	}
}

// took parses how long a step took.
func took(words string) incident.Elapsed {
	d, err := time.ParseDuration(words)
	if err != nil {
		panic(err)
	}
	return incident.Elapsed(d)
}

// What was limited for a time, and no longer is, is not reported as if it lasted.
func TestLimitThatIsOver(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	i := incident.Incident{
		ID: 3, At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Threshold: "new place after guessing", Mode: incident.Enforce, Reason: "somebody guessed",
		Steps:    []incident.Step{{Step: incident.StepLimitCosts, Target: "1002", State: incident.Done, Detail: incident.NoLonger + "the password was changed", Took: 1}},
		Evidence: []incident.Evidence{{Record: score.Record{At: at, Signal: score.NewPlaceAfterFailures, Source: netip.MustParseAddr("192.0.2.90"), Account: "1002"}}},
	}
	r := report.Of(i, time.UTC)
	if want := "Costly calls of 1002 from unknown addresses were ended for a time; they no longer are: the password was changed."; !strings.Contains(words(t, i), want) {
		t.Errorf("it lacks %q: %s", want, words(t, i))
	}
	if want := "Decided: the password was changed. Costly calls of 1002 are no longer ended."; r.Outcome != want {
		t.Errorf("%q", r.Outcome)
	}
	for _, advice := range r.Next {
		if strings.Contains(advice, "tollwarden trust") || strings.Contains(advice, "tollwarden compromise") {
			t.Errorf("still asks: %s", advice)
		}
	}
}
