package report_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/texts"
)

var english = report.Style{Site: "pbx.example.org", Zone: time.UTC}

func german(t testing.TB) report.Style {
	t.Helper()
	l, ok := texts.In("de")
	if !ok {
		t.Fatal("there is no German")
	}
	return report.Style{Language: l, Site: "pbx.example.org", Zone: time.FixedZone("MEZ", 3600)}
}

// contained is a break-in whose every step succeeded.
func contained() incident.Incident {
	i := breakIn()
	i.Steps[2].Detail = "PJSIP auth 1002 in /etc/asterisk/pjsip.conf, live value checked; secret kept in /var/lib/tollwarden/secrets; its phones that need the new password were last seen at 198.51.100.12"
	i.Steps[4].State, i.Steps[4].Detail = incident.Done, "e-mail ops@example.org: delivered"
	return i
}

// notRotated is a break-in whose password could not be changed.
func notRotated() incident.Incident {
	i := contained()
	i.Steps[2].State, i.Steps[2].Detail = incident.Failed, "rotate 1002: pjsip.conf: permission denied"
	i.Steps[3].State, i.Steps[3].Detail = incident.Failed, "the password could not be changed"
	return i
}

// tollFraud is without a break-in: calls of an extension that are not its owner's.
func tollFraud() incident.Incident {
	i := incident.Incident{
		ID: 42, At: noon, Key: score.Key{Per: score.PerAccount, Account: "1007"}, Account: "1007", Name: "Workshop",
		Threshold: "toll fraud", Playbook: "compromise", Reason: "10 points of 10 within 1h: 4 first calls to new countries, 2 calls outside working hours", Mode: incident.Enforce,
		Steps: []incident.Step{
			{Step: incident.StepHangup, Target: "1007", State: incident.Done, Detail: "2 channels ended", Took: took("38ms")},
			{Step: incident.StepLimitCosts, Target: "1007", State: incident.Done, Detail: "costly calls from unknown addresses are ended until 2026-12-22 12:00 UTC", Took: took("40ms")},
		},
	}
	for n, dialled := range []string{"0037120000001", "0037120000002", "00881631234567"} {
		at := noon.Add(time.Duration(n-4) * 5 * time.Minute)
		i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{At: at, Signal: score.NewCountry, Account: "1007", Source: netip.MustParseAddr("198.51.100.12"), Transport: event.UDP, Proof: score.Proven}})
		c := incident.Call{Channel: fmt.Sprintf("PJSIP/1007-%08x", n), Account: "1007", Dialled: dialled, Country: "LV", Began: at, Answered: at.Add(6 * time.Second), Ended: at.Add(4*time.Minute + 40*time.Second)}
		c.Cost = incident.Cost{Amount: int64(n+1) * 8_350_000, Currency: "EUR", Estimate: true}
		if n == 2 {
			c.Country = "001"
		}
		i.Calls = append(i.Calls, c)
	}
	return i
}

// callsUp is a break-in that was written down while its calls were up, one of them answered.
func callsUp() incident.Incident {
	i := contained()
	i.Steps[1].State, i.Steps[1].Detail = incident.Failed, "no answer from Asterisk"
	i.Calls[0].Ended, i.Calls[1].Ended = time.Time{}, time.Time{}
	i.Calls[1].Cost = incident.Cost{Amount: 3_200_000, Currency: "EUR"}
	return i
}

// observedGuesses are guesses in mode observe.
func observedGuesses() incident.Incident {
	i := guesser()
	i.Mode = incident.Observe
	i.Steps[0].State, i.Steps[0].Detail, i.Steps[0].Took = incident.Skipped, "mode is observe: would ban for 15m", 0
	return i
}

// flood is what forged packets make.
func flood() incident.Incident {
	i := incident.Incident{
		ID: 43, At: noon, Key: score.Key{Per: score.PerSite}, Threshold: "password guessing", Playbook: "block", Mode: incident.Enforce,
		Reason: "2345 addresses that may be spoofed were blocked; 100 of them are listed; the first: 3 wrong passwords for 1002 within 1h",
	}
	for n := range 100 {
		source := netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})
		i.Steps = append(i.Steps, incident.Step{Step: incident.StepBan, Target: source.String(), State: incident.Done, Detail: "until 2026-11-22 12:10:00 UTC", Took: took("1ms")})
		i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{At: noon, Signal: score.InvalidPassword, Source: source, Account: "1002"}, Raw: "Event: InvalidPassword\r\n"})
	}
	return i
}

// distributed is an attack of many addresses on many extensions, told in few lines.
func distributed() incident.Incident {
	i := incident.Incident{
		ID: 44, At: noon.Add(3 * time.Second), Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Threshold: "account under attack", Playbook: "limit to known networks",
		Reason: "12 wrong passwords from 6 addresses within 1h", Mode: incident.Enforce,
	}
	for n := range 24 {
		source := netip.AddrFrom4([4]byte{203, 0, 113, byte(n % 12)})
		at := noon.Add(time.Duration(n) * 120 * time.Millisecond)
		i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{At: at, Signal: score.InvalidPassword, Source: source, Account: fmt.Sprint(1001 + n%8), Proof: score.Proven, Transport: event.TCP}})
		if n >= 12 {
			i.Steps = append(i.Steps, incident.Step{Step: incident.StepBan, Target: source.String(), State: incident.Done, Detail: "until 2026-11-22 12:15:00 UTC", Began: at, Took: took("2ms")})
		}
	}
	i.Steps = append(i.Steps, incident.Step{Step: incident.StepRestrict, Target: "1002", State: incident.Done, Detail: "limited to 198.51.100.0/24", Took: took("20ms")})
	return i
}

func quietWeek() report.Week {
	return report.Week{From: noon.AddDate(0, 0, -7), To: noon, Guessed: 2, Banned: 14, Incidents: []report.IncidentCount{{Threshold: "password guessing", N: 12}, {Threshold: "scanning", N: 3}}}
}

func badWeek() report.Week {
	return report.Week{
		From: noon.AddDate(0, 0, -7), To: noon, Guessed: 31, Banned: 1412, BreakIns: 1,
		Incidents: []report.IncidentCount{{Threshold: "password guessing", N: 1204}, {Threshold: "scanning", N: 188}, {Threshold: "toll fraud", N: 2}, {Threshold: "break-in", N: 1}},
		AtRisk: []report.Risk{
			{Account: "1002", Person: "Front desk", Why: report.RiskStolen},
			{Account: "1009", Why: report.RiskWaiting},
			{Account: "1011", Why: report.RiskProbation},
			{Account: "1007", Person: "Workshop", Why: report.RiskLocked},
			{Account: "100", Why: report.RiskGuessed},
		},
		Abroad: report.Use{Calls: 57, Time: 7*time.Hour + 12*time.Minute, Money: 1_318_400_000, Currency: "EUR", Estimate: true},
		Places: []report.Use{
			{Place: "LV", Calls: 41, Time: 6*time.Hour + 2*time.Minute, Money: 1_204_000_000, Currency: "EUR", Estimate: true},
			{Place: "satellite", Calls: 2, Time: 3 * time.Minute, Money: 21_000_000, Currency: "EUR"},
			{Place: "FR", Calls: 14, Time: 67 * time.Minute, Money: 9_420_000, Currency: "EUR"},
		},
		Failing: []report.Check{{Name: "log", Detail: "/var/log/asterisk/security: no such file"}},
	}
}

func degraded() report.Alarm {
	return report.Alarm{Event: "degraded", At: noon, Text: "tollwarden is degraded, an attack might not be stopped now: kernel", Checks: []report.Check{{Name: "kernel", Detail: "the table is gone, and cannot be made: permission denied"}}}
}

// pages are all kinds of pages.
func pages(t testing.TB) map[string]*report.Page {
	of := func(s report.Style, i incident.Incident) *report.Page { return &s.Incident(i).Page }
	return map[string]*report.Page{
		"contained": of(english, contained()), "contained-german": of(german(t), contained()),
		"not-rotated": of(english, notRotated()), "toll-fraud": of(english, tollFraud()), "toll-fraud-german": of(german(t), tollFraud()),
		"calls-up": of(english, callsUp()), "observed-guesses": of(english, observedGuesses()), "flood": of(english, flood()), "distributed": of(english, distributed()),
		"degraded": english.Alarm(degraded()), "degraded-german": german(t).Alarm(degraded()),
		"healthy":    english.Alarm(report.Alarm{Event: "healthy", At: noon, Text: "tollwarden is healthy again after 42s"}),
		"quiet-week": english.Week(quietWeek()), "bad-week": english.Week(badWeek()), "bad-week-german": german(t).Week(badWeek()),
	}
}

// The golden files hold the pages whole, to be read as well: first the subject of the mail.
func TestPages(t *testing.T) {
	for name, p := range pages(t) {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			fmt.Fprintf(&b, "Subject: %s\n\n", p.Subject())
			if err := p.Text(&b); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if shots := os.Getenv("PAGES"); shots != "" { // to look at them in a browser
				var page, mail bytes.Buffer
				_, _ = p.HTML(&page), p.MailHTML(&mail)
				_ = os.WriteFile(filepath.Join(shots, name+".html"), page.Bytes(), 0o644)
				_ = os.WriteFile(filepath.Join(shots, name+"-mail.html"), mail.Bytes(), 0o644)
			}
		})
	}
}
